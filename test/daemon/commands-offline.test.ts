/**
 * The offline commands as processes: what goes to stdout, what to stderr, and the exit code.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { webServerTraffic } from '../helpers/captures.ts';
import { compiled } from '../helpers/compiled.ts';
import { nsgd, type NsgdResult } from '../helpers/nsgd.ts';
import { projectRoot } from '../helpers/project-root.ts';

const FOUR = 'config/examples/four-vms.yaml';
const folder = mkdtempSync(join(tmpdir(), 'nsgd-commands-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const capture = file('web.pcap', webServerTraffic().captureFile());
/** Two errors, at 8:15 and 9:10, and one that needs both rules. */
const broken = file(
  'broken.yaml',
  `virtualNetwork: { addressSpace: [10.0.0.0/16] }
networkSecurityGroups:
  - name: nsg1
    securityRules:
      - { name: A, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "80" }
      - { name: B, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: 10.0.0.1/24, destinationPortRange: "70000" }
networkInterfaces: [{ name: vm1, addresses: [10.0.0.4], networkSecurityGroup: nsg9 }]
color: red
`,
);

function json(result: NsgdResult): Record<string, unknown> {
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

const HTTP = [
  '--direction',
  'Inbound',
  '--protocol',
  'TCP',
  '--local',
  '10.0.1.4:80',
  '--remote',
  '203.0.113.9:50000',
];
const SSH = [
  '--direction',
  'Inbound',
  '--protocol',
  'TCP',
  '--local',
  '10.0.1.4:22',
  '--remote',
  '203.0.113.9:50000',
];

describe('verify', () => {
  test('allow: exit 0, a table of stages', () => {
    expect(nsgd(['verify', '-c', FOUR, '--nic', 'vm1', ...HTTP])).toEqual({
      status: 0,
      stderr: '',
      stdout: [
        'Access: Allow',
        'Rule:   securityRules/AllowHttpFromInternet',
        '',
        'STAGE             SECURITY GROUP  ACCESS   PRIORITY  RULE',
        'platform          -               NoMatch  -         -',
        'subnet            NSG1            Allow    100       securityRules/AllowHttpFromInternet',
        'networkInterface  NSG2            Allow    100       securityRules/AllowHttpFromInternet',
        '',
      ].join('\n'),
    });
  });

  test('deny: exit 1, and the stage behind is not reached', () => {
    const { status, stdout, stderr } = nsgd(['verify', '-c', FOUR, '--nic', 'VM1', ...SSH]);
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).toMatch(/^Access: Deny\nRule: {3}defaultSecurityRules\/DenyAllInBound\n/);
    expect(stdout).toMatch(/networkInterface +NSG2 +NotReached/);
  });

  test('JSON; the interface is the one with the local address', () => {
    const result = nsgd(['verify', '-c', FOUR, ...SSH, '-o', 'json']);
    expect([result.status, result.stderr]).toEqual([1, '']);
    expect(json(result)).toMatchObject({
      networkInterface: 'vm1',
      isLocalAddress: true,
      access: 'Deny',
      ruleName: 'defaultSecurityRules/DenyAllInBound',
      steps: [
        { stage: 'platform', access: 'NoMatch' },
        { stage: 'subnet', networkSecurityGroup: 'NSG1', access: 'Deny', priority: 65500 },
        { stage: 'networkInterface', networkSecurityGroup: 'NSG2', access: 'NotReached' },
      ],
    });
  });

  test('no group: allowed by no rule', () => {
    const result = nsgd([
      'verify',
      '-c',
      FOUR,
      '--nic',
      'vm4',
      ...HTTP.with(5, '10.0.3.4:80'),
      '-o',
      'json',
    ]);
    expect(result.status).toBe(0);
    expect(json(result)).toMatchObject({ access: 'Allow', ruleName: null });
  });

  test('an address the interface does not have: answered, with a warning', () => {
    const { status, stdout, stderr } = nsgd([
      'verify',
      '-c',
      FOUR,
      '--nic',
      'vm1',
      ...HTTP.with(5, '10.0.1.9:80'),
    ]);
    expect(status).toBe(0);
    expect(stdout).toContain('Access: Allow');
    expect(stderr).toBe(
      'nsgd: warning: vm1 does not have the local address; live, its wire drops such packets\n',
    );
  });

  test.each<readonly [string, readonly string[], RegExp]>([
    [
      'no options',
      ['-c', FOUR],
      /^nsgd: give --direction, --protocol, --local and --remote, or --batch FILE\n$/,
    ],
    ['no configuration', [...HTTP], /^nsgd: give --config FILE, or --live\n$/],
    [
      'a configuration and the daemon',
      ['-c', FOUR, '--live', ...HTTP],
      /^nsgd: give --config FILE or --live, not both\n$/,
    ],
    [
      'many tuples for the daemon',
      ['--live', '--batch', '-'],
      /^nsgd: --live answers one flow; give --batch with --config\n$/,
    ],
    [
      'no such interface',
      ['-c', FOUR, '--nic', 'vm11', ...HTTP],
      /^nsgd: --nic "vm11": .*did you mean vm1\?\n$/,
    ],
    [
      'an interface nobody can tell',
      ['-c', FOUR, ...HTTP.with(5, '10.9.9.9:80')],
      /^nsgd: give --nic NAME; the configuration has vm1, vm2, vm3, vm4\n$/,
    ],
    [
      'a bad direction',
      ['-c', FOUR, ...HTTP.with(1, 'up')],
      /^nsgd: direction "up": use Inbound or Outbound\n$/,
    ],
    ['a bad protocol', ['-c', FOUR, ...HTTP.with(3, 'sctp')], /^nsgd: protocol "sctp": use TCP/],
    [
      'a bad port',
      ['-c', FOUR, ...HTTP.with(5, '10.0.1.4:70000')],
      /^nsgd: port "70000": use a number from 0 to 65535\n$/,
    ],
    [
      'a bad address',
      ['-c', FOUR, ...HTTP.with(5, '10.0.1:80')],
      /^nsgd: "10\.0\.1" is not an IPv4 or IPv6 address\n$/,
    ],
    [
      'TCP without a port',
      ['-c', FOUR, ...HTTP.with(5, '10.0.1.4')],
      /^nsgd: --local "10\.0\.1\.4": TCP and UDP have ports/,
    ],
    [
      'two families',
      ['-c', FOUR, ...HTTP.with(7, '[::1]:1')],
      /^nsgd: --local and --remote are of different address families\n$/,
    ],
    [
      'a format it does not have',
      ['-c', FOUR, ...HTTP, '-o', 'yaml'],
      /option '-o, --output <format>' argument 'yaml' is invalid\. Allowed choices are table, json\./,
    ],
    ['an option it does not have', ['-c', FOUR, '--colour'], /unknown option '--colour'/],
    [
      'a file that is not there',
      ['-c', 'no/such.yaml', ...HTTP],
      /^no\/such\.yaml:1:1: FileNotReadable: .*there is no such file\n$/,
    ],
    ['a broken configuration', ['-c', broken, ...HTTP], /broken\.yaml:7:\d+: /],
  ])('%s: exit 2, one message, nothing on stdout', (_name, args, message) => {
    const { status, stdout, stderr } = nsgd(['verify', ...args]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('verify --batch', () => {
  const lines = [
    '# a comment, an empty line, Windows line ends, tabs',
    '',
    'Inbound TCP 203.0.113.9 50000 10.0.1.4 80\r',
    '  inbound\ttcp 203.0.113.9 50000 10.0.1.4 22',
    'Outbound Udp 10.0.1.4 5000 8.8.8.8 53',
    'Outbound udp 10.0.1.4 5000 168.63.129.16 53',
    'Inbound Icmp 10.0.2.4 0 10.0.1.4 0',
    'Inbound 50 203.0.113.9 * 10.0.1.4 *',
    'Inbound TCP 2001:db8::1 5000 fd00::1 80',
  ].join('\n');
  const answers = [
    'Allow securityRules/AllowHttpFromInternet',
    'Deny defaultSecurityRules/DenyAllInBound',
    'Allow defaultSecurityRules/AllowInternetOutBound',
    'Allow platformRules/AllowAzureDns',
    'Allow defaultSecurityRules/AllowVnetInBound',
    'Deny defaultSecurityRules/DenyAllInBound',
    'Allow securityRules/AllowHttpFromInternet',
    '',
  ].join('\n');

  test('a line for each tuple, from a file and from stdin; exit 0 whatever the answers', () => {
    const path = file('tuples.txt', lines);
    expect(nsgd(['verify', '-c', FOUR, '--nic', 'vm1', '--batch', path])).toEqual({
      status: 0,
      stdout: answers,
      stderr: '',
    });
    expect(nsgd(['verify', '-c', FOUR, '--nic', 'vm1', '--batch', '-'], lines)).toEqual({
      status: 0,
      stdout: answers,
      stderr: '',
    });
  });

  test('no group: "-"', () => {
    const { stdout } = nsgd(
      ['verify', '-c', FOUR, '--nic', 'vm4', '--batch', '-'],
      'Inbound TCP 203.0.113.9 1 10.0.3.4 22',
    );
    expect(stdout).toBe('Allow -\n');
  });

  test('nothing asked, nothing answered', () => {
    expect(nsgd(['verify', '-c', FOUR, '--nic', 'vm1', '--batch', '-'], '# nothing\n')).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('every bad line is told with its number, and no answer is printed', () => {
    const bad = [
      'Inbound TCP 203.0.113.9 50000 10.0.1.4 80',
      'Inbound TCP 203.0.113.9 50000 10.0.1.4',
      'Sideways TCP 203.0.113.9 50000 10.0.1.4 80',
      'Inbound TCP 203.0.113.9 99999 10.0.1.4 80',
      'Inbound TCP ::1 1 10.0.1.4 80',
      'Inbound TCP 1.2.3 1 10.0.1.4 80',
      'Inbound QUIC 1.2.3.4 1 10.0.1.4 80',
    ].join('\n');
    const { status, stdout, stderr } = nsgd(
      ['verify', '-c', FOUR, '--nic', 'vm1', '--batch', '-'],
      bad,
    );
    expect([status, stdout]).toEqual([2, '']);
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.slice(0, 18)),
    ).toEqual([
      '-:2: 5 fields; exp',
      '-:3: direction "Si',
      '-:4: port "99999":',
      '-:5: addresses of ',
      '-:6: "1.2.3" is no',
      '-:7: protocol "QUI',
    ]);
  });

  test('100,000 tuples', () => {
    const many = 'Inbound TCP 203.0.113.9 50000 10.0.1.4 80\n'.repeat(100_000);
    const { status, stdout } = nsgd(['verify', '-c', FOUR, '--nic', 'vm1', '--batch', '-'], many);
    expect(status).toBe(0);
    expect(stdout).toBe('Allow securityRules/AllowHttpFromInternet\n'.repeat(100_000));
  });

  test('a file that is not there', () => {
    const { status, stderr } = nsgd(['verify', '-c', FOUR, '--nic', 'vm1', '--batch', 'no-such']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^nsgd: --batch no-such: /);
  });
});

describe('a configuration that is no regular file', () => {
  const text = readFileSync(join(projectRoot, FOUR), 'utf8');

  test.each(['-', '/dev/stdin'])('%s', (path) => {
    expect(nsgd(['check', path], text)).toMatchObject({ status: 0, stdout: '' });
    expect(nsgd(['verify', '-c', path, '--nic', 'vm1', ...HTTP], text).status).toBe(0);
    expect(nsgd(['check', path], 'color: red\n')).toMatchObject({
      status: 2,
      stdout: expect.stringContaining(`${path}:1:1: UnknownProperty: `) as string,
    });
  });

  test('a daemon has to read it again, so it refuses a pipe', () => {
    const path = join(folder, 'pipe');
    spawnSync('mkfifo', [path]);
    const { status, stderr } = nsgd(['run', '-c', path]);
    expect([status, stderr]).toEqual([
      2,
      `${path}:1:1: FileNotReadable: cannot read "${path}": it is no regular file\n`,
    ]);
  });
});

describe('effective', () => {
  test('a table of both groups', () => {
    const { status, stdout, stderr } = nsgd(['effective', '-c', FOUR, '--nic', 'vm1']);
    expect([status, stderr]).toEqual([0, '']);
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).toMatch(/^ASSOCIATION +SECURITY GROUP +DIRECTION +PRIORITY +RULE +ACCESS/);
    expect(rows).toHaveLength(1 + 2 * 7);
    expect(rows[1]).toMatch(
      /^subnet Subnet1 +NSG1 +Inbound +100 +securityRules\/AllowHttpFromInternet +Allow +Tcp/,
    );
  });

  test("JSON in Azure's shape", () => {
    const result = nsgd(['effective', '-c', FOUR, '--nic', 'vm2', '-o', 'json']);
    expect(result.status).toBe(0);
    const { value } = json(result) as {
      value: { association: unknown; effectiveSecurityRules: unknown[] }[];
    };
    expect(value).toHaveLength(1);
    expect(value[0]?.association).toHaveProperty('subnet');
    expect(value[0]?.effectiveSecurityRules[0]).toMatchObject({
      name: 'securityRules/AllowHttpFromInternet',
      priority: 100,
      access: 'Allow',
      direction: 'Inbound',
    });
  });

  test('no group: a word on stderr, no table', () => {
    expect(nsgd(['effective', '-c', FOUR, '--nic', 'vm4'])).toEqual({
      status: 0,
      stdout: '',
      stderr: 'nsgd: no network security group applies to vm4: everything is allowed\n',
    });
  });

  test('no configuration given: exit 2', () => {
    const { status, stdout, stderr } = nsgd(['effective']);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/required option '-c, --config <file>' not specified/);
  });
});

describe('replay', () => {
  const args = ['replay', capture, '-c', 'test/golden/web-server.yaml'];

  test('summary as a table', () => {
    const { status, stdout, stderr } = nsgd(args);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^63 frames = 48 forwarded \+ 15 dropped; 7 flows opened, 7 live at the end\n/,
    );
    expect(stdout).toMatch(/^rule_deny +Deny +14 +0$/m);
  });

  test('summary as JSON: the parts are the whole', () => {
    const result = json(nsgd([...args, '-o', 'json']));
    expect(result).toMatchObject({
      networkInterface: 'web',
      frames: 63,
      forwarded: 48,
      dropped: 15,
      flows: { opened: 7, live: 7 },
    });
    const reasons = result['reasons'] as { access: string; inbound: number; outbound: number }[];
    const sum = (access: string): number =>
      reasons
        .filter((row) => row.access === access)
        .reduce((total, row) => total + row.inbound + row.outbound, 0);
    expect([sum('Allow'), sum('Deny')]).toEqual([48, 15]);
  });

  test('per packet as NDJSON: one object on each line', () => {
    const { status, stdout } = nsgd([...args, '--per-packet', '-o', 'ndjson']);
    expect(status).toBe(0);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows).toHaveLength(63);
    expect(JSON.parse(nsgd([...args, '--per-packet', '-o', 'json']).stdout)).toEqual(rows);
    expect(rows[2]).toEqual({
      number: 3,
      time: '2025-10-09T08:53:20.080Z',
      direction: 'Inbound',
      access: 'Allow',
      reason: 'rule',
      ruleName: 'securityRules/AllowHttp',
      protocol: 'TCP',
      source: '203.0.113.10:50001',
      destination: '10.0.1.4:80',
      length: 58,
    });
    expect(rows[0]).toMatchObject({ reason: 'link', protocol: null, source: null, ruleName: null });
  });

  test('a capture cut short: what there is, then the error with its place, exit 1', () => {
    const cut = file('cut.pcap', webServerTraffic().captureFile().slice(0, 2000));
    const { status, stdout, stderr } = nsgd(['replay', cut, '-c', 'test/golden/web-server.yaml']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^\d+ frames = \d+ forwarded \+ \d+ dropped/);
    expect(stderr).toMatch(/^nsgd: .*cut\.pcap: .*at byte \d+/);
  });

  test.each<readonly [string, readonly string[], number, RegExp]>([
    [
      'no capture',
      ['replay', 'package.json', '-c', FOUR, '--nic', 'vm1'],
      1,
      /^nsgd: package\.json: at byte 0: expected pcap or pcapng, found what looks like text/,
    ],
    [
      'no file',
      ['replay', 'no-such.pcap', '-c', FOUR, '--nic', 'vm1'],
      1,
      /^nsgd: no-such\.pcap: no such file or directory\n$/,
    ],
    ['no interface', ['replay', capture, '-c', FOUR], 2, /^nsgd: give --nic NAME/],
    ['a broken configuration', ['replay', capture, '-c', broken], 2, /broken\.yaml:7:\d+: /],
    ['no argument', ['replay', '-c', FOUR], 2, /missing required argument 'file'/],
  ])('%s: nothing on stdout', (_name, command, code, message) => {
    const { status, stdout, stderr } = nsgd(command);
    expect([status, stdout]).toEqual([code, '']);
    expect(stderr).toMatch(message);
  });
});

describe('check', () => {
  test('valid files: exit 0, silence on stdout', () => {
    expect(nsgd(['check', FOUR])).toEqual({
      status: 0,
      stdout: '',
      stderr: 'nsgd: the file is valid\n',
    });
    expect(nsgd(['check', FOUR, 'config/nsgd.yaml', 'test/golden/web-server.yaml']).stderr).toBe(
      'nsgd: the files are valid\n',
    );
  });

  test('every problem at once, with its position and code, sorted; exit 2', () => {
    const { status, stdout, stderr } = nsgd(['check', broken]);
    expect([status, stderr]).toEqual([2, '']);
    const found = stdout
      .trimEnd()
      .split('\n')
      .map((line) => /broken\.yaml:(\d+):\d+: (\w+)/.exec(line)?.slice(1).join(' '));
    expect(found).toEqual([
      '7 SecurityRuleConflict',
      '8 SecurityRuleInvalidAddressPrefix',
      '8 SecurityRuleInvalidPortRange',
      '9 InvalidResourceReference',
      '10 UnknownProperty',
    ]);
  });

  test('JSON', () => {
    const result = nsgd(['check', broken, FOUR, '-o', 'json']);
    expect([result.status, result.stderr]).toEqual([2, '']);
    const { schema, problems } = json(result) as {
      schema: number;
      problems: Record<string, unknown>[];
    };
    expect(schema).toBe(1);
    expect(problems).toHaveLength(5);
    expect(problems[0]).toMatchObject({ file: broken, line: 7, severity: 'error' });
  });

  test('one good and one bad file: bad', () => {
    const { status, stdout } = nsgd(['check', FOUR, 'no-such.yaml']);
    expect(status).toBe(2);
    expect(stdout).toMatch(/^no-such\.yaml:1:1: FileNotReadable: /);
  });

  test('control characters in a file do not reach the terminal', () => {
    const { stdout } = nsgd(['check', file('evil.yaml', '"\\u001b[31mred\\u0007": 1\n')]);
    expect(Array.from(stdout).filter((letter) => letter < ' ' && letter !== '\n')).toEqual([]);
    expect(stdout).toContain('UnknownProperty');
  });
});

describe('the program', () => {
  test('help goes to stdout and is no error; without a command it goes to stderr and is one', () => {
    const asked = nsgd(['--help']);
    expect([asked.status, asked.stderr]).toEqual([0, '']);
    expect(asked.stdout).toMatch(/^Usage: nsgd /);
    const bare = nsgd([]);
    expect([bare.status, bare.stdout]).toEqual([2, '']);
    expect(bare.stderr).toMatch(/^Usage: nsgd /);
  });

  test('version', () => {
    const { status, stdout } = nsgd(['--version']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('an unknown command: exit 2', () => {
    const { status, stdout, stderr } = nsgd(['verfy']);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/unknown command 'verfy'/);
  });

  test('a reader that goes away ends it quietly', () => {
    const script = `"$0" "$1" replay "$2" -c test/golden/web-server.yaml --per-packet | head -1`;
    const { status, stdout, stderr } = spawnSync(
      'sh',
      ['-c', script, process.execPath, compiled('daemon/main.ts'), capture],
      { cwd: projectRoot, encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toHaveLength(2);
  });
});
