/**
 * `nsgd completion bash|zsh|fish`: a script for the shell, made from the command tree, so that it never names an option
 * that there is not.
 */
import { Argument, type Command, type Option } from 'commander';
import { printText } from '../output.ts';

interface OptionShape {
  /** `--config` and `-c`, those that there are. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** Values to choose from; empty: a file or any text. */
  readonly choices: readonly string[];
}

interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionShape[];
  /** Words that an argument may be; empty: files. */
  readonly words: readonly string[];
}

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

function optionShape(option: Option): OptionShape {
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}

function commandShapes(program: Command): CommandShape[] {
  const help = { flags: ['-h', '--help'], description: 'help', takesValue: false, choices: [] };
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [...command.options.map(optionShape), help],
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  }));
}

/** A text within single quotes, for every of the three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Everything after the command and options that take a value: file names, bash's own completion. */
function bash(commands: readonly CommandShape[]): string {
  const cases = commands.flatMap(({ name, options, words }) => {
    const flags = options.flatMap((option) => option.flags).join(' ');
    const values = options.flatMap(({ flags: names, takesValue, choices }) => {
      if (!takesValue) return [];
      const patterns = names.map((flag) => `${name}:${flag}`).join(' | ');
      return choices.length === 0
        ? [`    ${patterns}) return ;;`]
        : [
            `    ${patterns}) COMPREPLY=($(compgen -W ${quoted(choices.join(' '))} -- "$current")); return ;;`,
          ];
    });
    return [...values, `    ${name}:*) words=${quoted([flags, ...words].join(' '))} ;;`];
  });
  return `# nsgd completion for bash: nsgd completion bash > /usr/share/bash-completion/completions/nsgd
_nsgd() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${quoted(commands.map(({ name }) => name).join(' '))} -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]}:$previous in
${cases.join('\n')}
  esac
  if [[ $current == -* || -z $current ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -o bashdefault -o default -F _nsgd nsgd`;
}

/** A description within zsh's specifications. */
function described(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, String.raw`\$&`);
}

function zsh(commands: readonly CommandShape[]): string {
  const names = commands.map(
    ({ name, description }) => `    ${quoted(`${name}:${described(description)}`)}`,
  );
  const cases = commands.map(({ name, options, words }) => {
    const specifications = options.map(({ flags, description, takesValue, choices }) => {
      const value = takesValue
        ? `:value:${choices.length === 0 ? '_files' : `(${choices.join(' ')})`}`
        : '';
      const exclusive = flags.length > 1 ? `(${flags.join(' ')})` : '';
      return flags
        .map(
          (flag) => `      ${quoted(`${exclusive}${flag}[${described(description)}]${value}`)} \\`,
        )
        .join('\n');
    });
    const rest = words.length === 0 ? '*:file:_files' : `*:word:(${words.join(' ')})`;
    return `    ${name}) _arguments \\\n${specifications.join('\n')}\n      ${quoted(rest)} ;;`;
  });
  return `#compdef nsgd
# nsgd completion for zsh: nsgd completion zsh > /usr/share/zsh/vendor-completions/_nsgd
_nsgd() {
  local -a commands=(
${names.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = _nsgd ]; then _nsgd "$@"; else compdef _nsgd nsgd; fi`;
}

function fish(commands: readonly CommandShape[]): string {
  const lines = commands.flatMap(({ name, description, options, words }) => [
    `complete -c nsgd -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}`,
    ...options.map(({ flags, description: about, takesValue, choices }) => {
      const names = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      const value =
        choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : takesValue ? ' -r' : '';
      return `complete -c nsgd -n ${quoted(`__fish_seen_subcommand_from ${name}`)} ${names.join(' ')}${value} -d ${quoted(about)}`;
    }),
    ...(words.length === 0
      ? []
      : [
          `complete -c nsgd -n ${quoted(`__fish_seen_subcommand_from ${name}`)} -f -a ${quoted(words.join(' '))}`,
        ]),
  ]);
  return [
    '# nsgd completion for fish: nsgd completion fish > /usr/share/fish/vendor_completions.d/nsgd.fish',
    ...lines,
  ].join('\n');
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly CommandShape[]) => string>> = {
  bash,
  zsh,
  fish,
};

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('a completion script for a shell, on standard output')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action((shell: Shell) => printText(`${SCRIPTS[shell](commandShapes(program))}\n`));
}
