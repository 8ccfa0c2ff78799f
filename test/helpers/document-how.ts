/**
 * How each command that a document shows is tried, and what can be said of one that is not: that what it names exists.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { createProgram } from '../../daemon/program.ts';
import type { ShownCommand } from './documents.ts';
import { projectRoot } from './project-root.ts';

/**
 * `offline`: to its end, anywhere. `machine`: to its end, on a machine of its own. `live`: on that machine, with a daemon that
 * runs. `daemon`: is the daemon from here on.
 * `endless`: on that machine, for three seconds. Anything else is why it is not run.
 */
export type How = 'offline' | 'machine' | 'live' | 'daemon' | 'endless' | `not run: ${string}`;

/** The first row whose pattern fits says how. */
const HOW: readonly (readonly [pattern: RegExp, how: How])[] = [
  [
    /^make( |$)/,
    'not run: it would run this test, or takes minutes; that the target exists is checked',
  ],
  [/^npm pack\b/, 'not run: test/packaging/npm-package.test.ts does'],
  [/^npm (ci|install)\b/, 'not run: test/packaging/npm-package.test.ts installs the package'],
  [/^npx vitest\b|^scripts\/test-node\b/, 'not run: it is these tests'],
  [
    /^(git|apt|apt-get|dpkg|dpkg-deb)\b|^new-nsgd\//,
    'not run: it changes the machine; make deb-test installs and upgrades a package',
  ],
  [
    /^(systemctl|journalctl|systemd-sysusers|usermod|adduser)\b/,
    'not run: needs systemd as process 1',
  ],
  [/^cp [\w.-]+ \/etc\/nsgd\//, 'machine'],
  [/^(editor|install|cp)\b/, 'not run: it changes the machine'],
  [/^az\b/, 'not run: needs an Azure subscription'],
  [/^(bin\/)?nsgd (attach|confirm|detach|on-stop)\b/, 'not run: test/e2e does, between namespaces'],
  [/^(bin\/)?nsgd run\b/, 'daemon'],
  [/^(bin\/)?nsgd (top|monitor)\b/, 'endless'],
  [/^(bin\/)?nsgd (status|rules|flows|reload|probe)\b/, 'live'],
  [/^(bin\/)?nsgd verify\b.* --live\b/, 'live'],
  [/^curl (.* )?(--unix-socket \/run\/nsgd\/|http:\/\/127\.0\.0\.1:9469\/)/, 'live'],
  [/^(bin\/)?nsgd check \/etc\/nsgd\//, 'live'],
  [/^(ip|ethtool) /, 'live'],
  [/^(bin\/)?nsgd [a-z]/, 'offline'],
];

export const ADVICE =
  'no row of HOW in test/helpers/document-how.ts fits this command. If it can run as it stands (real values; files that the ' +
  'document shows in a yaml block after a paragraph that begins with the file name, or capture.pcap, nsg1.json, template.json and the lists nsg.json, vnet.json and nic.json, which are given), ' +
  'add a row that says how; else one that says why it is not run. What is no command belongs in a `text` block.';

export function howToRun({ text }: ShownCommand): How | undefined {
  return HOW.find(([pattern]) => pattern.test(text))?.[1];
}

const program = await createProgram();
const targets = new Set(
  [...readFileSync(join(projectRoot, 'Makefile'), 'utf8').matchAll(/^([a-z-]+):/gm)].map(
    ([, name]) => name,
  ),
);

/** What is wrong with a command's words, be they an example or real. */
export function mistakes(text: string): string[] {
  const words = text.replaceAll(/"[^"]*"/g, '').split(/\s+/);
  if (words[0] === 'make') {
    const named = words.slice(1).filter((word) => /^[a-z][a-z-]*$/.test(word));
    return named.filter((name) => !targets.has(name)).map((name) => `${text}: no target ${name}`);
  }
  if (!/^(bin\/)?nsgd$/.test(words[0] ?? '')) return unitMistakes(text);
  const command = program.commands.find((each) => each.name() === words[1]);
  if (command === undefined) return [`${text}: no command ${words[1]}`];
  const known = optionsOf(command);
  return words
    .slice(2)
    .flatMap((word) => /^\[?(--?[a-z][a-z-]*)/.exec(word)?.[1] ?? [])
    .filter((option) => !known.has(option))
    .map((option) => `${text}: nsgd ${command.name()} has no ${option}`);
}

function optionsOf(command: Command): ReadonlySet<string> {
  const flags = command.options.flatMap(({ short, long }) => [short, long]);
  return new Set(['-h', '--help', ...flags.filter((flag) => flag !== undefined)]);
}

/** Units that systemctl and journalctl are told of are ours. */
function unitMistakes(text: string): string[] {
  const [, unit] = /^(?:systemctl .*?|journalctl .*-u )\b(nsgd[\w@.-]*)/.exec(text) ?? [];
  if (unit === undefined) return [];
  const template = unit.replace(/@[^.]*/, '@');
  const file = template.includes('.') ? template : `${template}.service`;
  return existsSync(join(projectRoot, 'systemd', file)) ? [] : [`${text}: no unit ${file}`];
}
