/**
 * Rules of the house that no other tool checks: a header comment in every source file, imports that point only back up
 * the packet's path, no path of somebody's machine, and documents that name only commands and files that exist.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';

/** Which of our folders each may import from, besides itself: what a packet has passed through before. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/capture': [],
  'src/flowtable': ['src/capture'],
  'src/engine': ['src/capture', 'src/flowtable'],
  'src/policy': ['src/capture', 'src/flowtable', 'src/engine'],
  daemon: ['src/capture', 'src/flowtable', 'src/engine', 'src/policy'],
  bench: ['src/capture', 'src/flowtable', 'src/engine', 'src/policy', 'daemon', 'grafana', 'test'],
  grafana: [],
  test: ['src/capture', 'src/flowtable', 'src/engine', 'src/policy', 'daemon', 'grafana'],
  demo: ['src/capture', 'src/flowtable', 'src/engine', 'src/policy', 'daemon', 'grafana', 'test'],
};
const FOLDERS = Object.keys(MAY_IMPORT);
const DOCUMENTS = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'],
  ...filesBelow('docs').filter((file) => file.endsWith('.md')),
];
const TEXT_FILE = /\.(?:ts|js|json|ya?ml|md|service|conf|sh)$/;
/** A header has at least one sentence. */
const HEADER_LENGTH_MIN = 30;

function filesBelow(folder: string): string[] {
  if (!existsSync(join(projectRoot, folder))) return [];
  return readdirSync(join(projectRoot, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)));
}

function read(file: string): string {
  return readFileSync(join(projectRoot, file), 'utf8');
}

function folderOf(file: string): string | undefined {
  return FOLDERS.find((folder) => file.startsWith(`${folder}/`));
}

/** Files of this project that a module imports, relative to the project root. */
function importsOf(file: string): string[] {
  const specifiers = read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...specifiers].map(([, path = '']) => join(dirname(file), path));
}

/** Packages that are loaded with a module, by it or by what it imports; types and `import()` load nothing. */
function packagesOf(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file)) return packages;
  seen.add(file);
  const imports = read(file).matchAll(
    /^(?:import|export) (?!type )(?:[\w\s{},*]+ from )?'([^']+)';/gm,
  );
  for (const [, name = ''] of imports) {
    if (!name.startsWith('.')) packages.add(name);
    else for (const each of packagesOf(join(dirname(file), name), seen)) packages.add(each);
  }
  return packages;
}

const sources = FOLDERS.flatMap(filesBelow).filter((file) => file.endsWith('.ts'));
const texts = [
  ...[...FOLDERS, 'config', 'docs', 'packaging', 'prometheus', 'scripts', 'systemd'].flatMap(
    filesBelow,
  ),
  ...readdirSync(projectRoot),
]
  .filter((file) => TEXT_FILE.test(file) || file.startsWith('scripts/') || file === 'Makefile')
  // What a benchmark found on this machine is not tracked.
  .filter((file) => !file.startsWith('bench/results/'));

describe('source files', () => {
  test('each starts with a comment that says what it is', () => {
    // A test file says it in the names of its tests.
    const described = sources.filter((file) => !file.endsWith('.test.ts'));
    const without = described.filter((file) => {
      const [, header = ''] = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(read(file)) ?? [];
      return header.replaceAll(/[\s*]+/g, ' ').length < HEADER_LENGTH_MIN;
    });
    expect(without).toEqual([]);
  });

  test('imports point only back up the path of a packet', () => {
    const wrong = sources.flatMap((file) => {
      const own = folderOf(file) ?? '';
      return importsOf(file)
        .map((target) => ({ target, folder: folderOf(target) }))
        .filter(({ folder }) => folder !== undefined && folder !== own)
        .filter(({ folder = '' }) => MAY_IMPORT[own]?.includes(folder) !== true)
        .map(({ target }) => `${file} imports ${target}`);
    });
    expect(sources.length).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });

  test.each(['status', 'rules', 'flows', 'top', 'monitor', 'probe', 'reload'])(
    'nsgd %s only asks the daemon, so it starts without what reads configurations',
    (command) => {
      const packages = packagesOf('daemon/main.ts');
      for (const each of packagesOf(`daemon/commands/${command}.ts`)) packages.add(each);
      expect(packages).toContain('commander');
      expect([...packages].filter((name) => ['zod', 'yaml', 'pino'].includes(name))).toEqual([]);
      expect(packagesOf('daemon/commands/check.ts')).toContain('zod');
    },
  );

  test('no text names a path of the machine it was written on', () => {
    const places = [projectRoot, join(homedir(), '/')];
    const naming = texts.filter((file) => {
      const text = read(file);
      return (
        places.some((place) => text.includes(place)) || /\/(?:home|Users)\/[a-z]+\//.test(text)
      );
    });
    expect(naming).toEqual([]);
  });
});

describe('documents', () => {
  const makefile = read('Makefile');
  const targets = [...makefile.matchAll(/^([a-z]+):.*## /gm)].map(([, name]) => name);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

  test('make targets: the ones that are promised, each with a line of help', () => {
    expect(targets).toEqual(
      expect.arrayContaining(['setup', 'build', 'lint', 'test', 'demo', 'bench', 'check']),
    );
  });

  describe.each(DOCUMENTS)('%s', (document) => {
    const text = read(document);
    test('names only npm scripts that exist', () => {
      const run = [...text.matchAll(/`[^`\n]*\bnpm run ([a-z:]+)/g)].map(([, name = '']) => name);
      expect(run.filter((name) => scripts[name] === undefined)).toEqual([]);
    });

    test('names only files that exist', () => {
      const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)];
      const paths = [...text.matchAll(/`((?:src|daemon|test|bench|demo|config)\/[\w./-]*)`/g)];
      const named = [...links, ...paths].map(([, path = '']) => path);
      // A link is seen from its document, a path in code from the project's folder.
      const folders = [projectRoot, join(projectRoot, dirname(document))];
      const isThere = (path: string): boolean =>
        folders.some((folder) => existsSync(join(folder, path)));
      expect(named.filter((path) => !isThere(path))).toEqual([]);
    });
  });
});
