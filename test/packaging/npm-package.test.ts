/**
 * The npm package: packed, installed by npm into an empty folder, and run there as its user would.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { webServerTraffic } from '../helpers/captures.ts';
import { compiled } from '../helpers/compiled.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { connect } from '../helpers/network-namespace.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { waitFor } from '../helpers/wait.ts';

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const NPM_TIMEOUT_MS = 240_000;
/** Words of npm when there is no registry to reach; then there is nothing to install from. */
const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED/;

/** As from a shell of its own: what `npm test` sets for its scripts is for this project. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) || /^npm_config_(registry|cache|userconfig)$/i.test(name),
  );
  const prefix = resolve(process.execPath, '../..');
  // The headers that came with this Node spare node-gyp a download.
  const headers = existsSync(join(prefix, 'include/node/node.h'))
    ? { npm_config_nodedir: prefix }
    : {};
  return { ...Object.fromEntries(kept), ...headers };
}

function run(program: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: environment(),
    timeout: NPM_TIMEOUT_MS,
  });
  return { status, stdout, stderr };
}

let folder: string;
let packed: Packed;

beforeAll(() => {
  // What is packed is what is built.
  compiled('daemon/main.ts');
  folder = mkdtempSync(join(tmpdir(), 'nsgd-npm-'));
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { status, stdout, stderr } = run('npm', args, projectRoot);
  expect(status, stderr).toBe(0);
  [packed] = JSON.parse(stdout) as [Packed];
}, NPM_TIMEOUT_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what it contains', () => {
  const paths = (): string[] => packed.files.map(({ path }) => path);

  test('the program and what an operator needs beside it', () => {
    expect(paths()).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'bin/nsgd',
        'config/nsgd.yaml',
        'config/nsgd.schema.json',
        'config/examples/four-vms.yaml',
        'dist/daemon/main.js',
        'dist/daemon/data-plane/main.js',
        'docs/CONFIGURATION.md',
        'man/nsgd.8',
        'man/nsgd.yaml.5',
        'prometheus/nsgd.rules.yaml',
        'systemd/nsgd.service',
        'systemd/nsgd.sysusers.conf',
      ]),
    );
  });

  test('no tests, benchmarks, sources, declarations or maps', () => {
    const unwanted = paths().filter((path) =>
      /^(?:test|bench|demo|src|daemon|packaging|scripts|dist\/(?:test|bench|demo))\/|\.(?:ts|map|tsbuildinfo)$/.test(
        path,
      ),
    );
    expect(unwanted).toEqual([]);
  });

  test('every module that it imports, and no map that is not there', () => {
    const modules = paths().filter((path) => path.endsWith('.js'));
    expect(modules.length).toBeGreaterThan(100);
    // A module whose source is gone stays in dist/ until somebody removes it; `prepack` does.
    const current = modules.filter((path) =>
      existsSync(join(projectRoot, path.replace(/^dist\/(.*)\.js$/, '$1.ts'))),
    );
    const problems = current.flatMap((path) => {
      const text = readFileSync(join(projectRoot, path), 'utf8');
      const missing = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)]
        .map(([, specifier = '']) => join(dirname(path), specifier))
        .filter((target) => !modules.includes(target));
      return [...missing, ...(text.includes('sourceMappingURL') ? [`map of ${path}`] : [])];
    });
    expect(problems).toEqual([]);
  });
});

describe('installed', () => {
  let nsgd: string;
  let obstacle: string | undefined;

  beforeAll(() => {
    const prefix = join(folder, 'prefix');
    const install = ['install', '--global', '--prefix', prefix, join(folder, packed.filename)];
    // npm 12 compiles only what it is told to; older ones take the option for one they do not know.
    const args = [...install, '--allow-scripts=cap,koffi,raw-socket', '--no-audit', '--no-fund'];
    mkdirSync(prefix);
    const { status, stderr } = run('npm', args, folder);
    if (status !== 0 && NO_REGISTRY.test(stderr)) obstacle = 'no npm registry is reachable';
    else expect(status, stderr).toBe(0);
    nsgd = join(prefix, 'bin/nsgd');
  }, NPM_TIMEOUT_MS);

  test('it says its version, without a warning', (context) => {
    context.skip(obstacle !== undefined, obstacle);
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(run(nsgd, ['--version'], folder)).toEqual({
      status: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  test('check, verify and replay', (context) => {
    context.skip(obstacle !== undefined, obstacle);
    const four = join(projectRoot, 'config/examples/four-vms.yaml');
    expect(run(nsgd, ['check', four], folder)).toMatchObject({ status: 0, stdout: '' });
    const tuple = ['--direction', 'Inbound', '--protocol', 'TCP', '--local', '10.0.1.4:80'];
    const ends = [...tuple, '--remote', '203.0.113.9:50000'];
    const verified = run(nsgd, ['verify', '-c', four, '--nic', 'vm1', ...ends], folder);
    expect(verified).toMatchObject({ status: 0, stderr: '' });
    expect(verified.stdout).toMatch(/^Access: Allow\n/);
    writeFileSync(join(folder, 'web.pcap'), webServerTraffic().captureFile());
    const web = join(projectRoot, 'test/golden/web-server.yaml');
    const replayed = run(nsgd, ['replay', 'web.pcap', '-c', web], folder);
    expect(replayed.stdout).toMatch(/^63 frames = 48 forwarded \+ 15 dropped/);
  });

  test('nothing of it can be imported: it is a program', (context) => {
    context.skip(obstacle !== undefined, obstacle);
    const home = join(folder, 'prefix/lib');
    const script = `import('nsgd').then(() => 'a module', (error) => error.code).then(console.log)`;
    const { stdout } = run(process.execPath, ['--input-type=module', '--eval', script], home);
    expect(stdout).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });

  describe.skipIf(liveObstacle !== undefined)(`run (${liveObstacle ?? 'live'})`, () => {
    let lab: Lab;
    beforeAll(() => {
      lab = new Lab();
    });
    afterAll(() => lab?.close());

    test.for(['af-xdp', 'cap'])('forwards with %s', async (backend, context) => {
      context.skip(obstacle !== undefined, obstacle);
      const [filter, outer, inner] = [
        lab.namespace('filter'),
        lab.namespace('outer'),
        lab.namespace('inner'),
      ];
      connect([filter, 'out0'], [outer, 'eth0']);
      connect([filter, 'in0'], [inner, 'eth0']);
      outer.ip('address', 'add', '10.0.1.1/24', 'dev', 'eth0');
      inner.ip('address', 'add', '10.0.1.4/24', 'dev', 'eth0');
      const runtimeDirectory = join(lab.directory, backend);
      const configuration = join(lab.directory, `${backend}.json`);
      writeFileSync(
        configuration,
        JSON.stringify({
          networkInterfaces: [{ name: 'vm1', wire: 'w' }],
          wires: [{ name: 'w', outside: 'out0', inside: 'in0', backend }],
          flowTable: { maxFlows: 1024 },
          metrics: { listen: 'off' },
          runtimeDirectory,
        }),
      );
      const daemon = lab.spawn(filter, 'nsgd', [nsgd, 'run', '--config', configuration]);
      const socket = join(runtimeDirectory, 'control.sock');
      await waitFor(
        'nsgd to be ready',
        () => {
          if (!daemon.isRunning) throw new Error(daemon.stderr);
          return run(nsgd, ['status', '--socket', socket], folder).status === 0 ? true : undefined;
        },
        15_000,
      );
      expect(outer.succeeds('ping', '-q', '-c', '2', '-i', '0.2', '-W', '2', '10.0.1.4')).toBe(
        true,
      );
      expect(run(nsgd, ['flows', '--socket', socket], folder).stdout).toMatch(/ICMP/);
      expect(await daemon.stop()).toBe('exit 0');
    });
  });
});
