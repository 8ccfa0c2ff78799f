/**
 * The machine that a document's reader sits at: interfaces eth0 and eth1, a network behind each, an /etc and a /run of its own
 * with the configuration that the package installs, and nsgd on the PATH. Nothing of it reaches the machine that runs the tests.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { webServerTraffic } from './captures.ts';
import type { Lab, LabProcess } from './lab.ts';
import { connect, type NetworkNamespace } from './network-namespace.ts';
import { projectRoot } from './project-root.ts';
import { waitFor } from './wait.ts';

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

const COMMAND_TIMEOUT_MS = 30_000;
const INSTALLED = '/etc/nsgd/nsgd.yaml';

const GROUP_ID = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network';

/** What `az network nsg show -o json` writes, in short. */
const EXPORTED_GROUP = {
  id: `${GROUP_ID}/networkSecurityGroups/NSG1`,
  name: 'NSG1',
  location: 'westeurope',
  securityRules: [
    {
      name: 'AllowHttp',
      priority: 100,
      direction: 'Inbound',
      access: 'Allow',
      protocol: 'Tcp',
      sourceAddressPrefix: 'Internet',
      sourcePortRange: '*',
      destinationAddressPrefix: '*',
      destinationPortRange: '80',
    },
  ],
};

/** What `az group export` writes, in short: the network of that group and a machine in it. */
const TEMPLATE = {
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  contentVersion: '1.0.0.0',
  resources: [
    {
      type: 'Microsoft.Network/networkSecurityGroups',
      apiVersion: '2023-09-01',
      name: 'NSG1',
      properties: {
        securityRules: EXPORTED_GROUP.securityRules.map(({ name, ...properties }) => ({
          name,
          properties,
        })),
      },
    },
    {
      type: 'Microsoft.Network/virtualNetworks',
      apiVersion: '2023-09-01',
      name: 'vnet1',
      properties: {
        addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
        subnets: [
          {
            name: 'Subnet1',
            properties: {
              addressPrefix: '10.0.1.0/24',
              networkSecurityGroup: {
                id: "[resourceId('Microsoft.Network/networkSecurityGroups', 'NSG1')]",
              },
            },
          },
        ],
      },
    },
    {
      type: 'Microsoft.Network/networkInterfaces',
      apiVersion: '2023-09-01',
      name: 'vm1',
      properties: {
        ipConfigurations: [
          {
            name: 'ipconfig1',
            properties: {
              privateIPAddress: '10.0.1.4',
              subnet: {
                id: "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'vnet1', 'Subnet1')]",
              },
            },
          },
        ],
      },
    },
  ],
};

/** What `az network ... list -o json` writes of the same network, a file for each kind of resource. */
const LISTS = {
  'nsg.json': [{ type: 'Microsoft.Network/networkSecurityGroups', ...EXPORTED_GROUP }],
  'vnet.json': [
    {
      id: `${GROUP_ID}/virtualNetworks/vnet1`,
      name: 'vnet1',
      type: 'Microsoft.Network/virtualNetworks',
      addressSpace: { addressPrefixes: ['10.0.0.0/16'] },
      subnets: [
        {
          id: `${GROUP_ID}/virtualNetworks/vnet1/subnets/Subnet1`,
          name: 'Subnet1',
          addressPrefix: '10.0.1.0/24',
          networkSecurityGroup: { id: `${GROUP_ID}/networkSecurityGroups/NSG1` },
        },
      ],
    },
  ],
  'nic.json': [
    {
      id: `${GROUP_ID}/networkInterfaces/vm1`,
      name: 'vm1',
      type: 'Microsoft.Network/networkInterfaces',
      ipConfigurations: [
        {
          name: 'ipconfig1',
          privateIPAddress: '10.0.1.4',
          subnet: { id: `${GROUP_ID}/virtualNetworks/vnet1/subnets/Subnet1` },
        },
      ],
    },
  ],
};

/**
 * Writes what a document says is there, and files that documents may take for given: capture.pcap, nsg1.json, template.json, and
 * the lists nsg.json, vnet.json and nic.json.
 */
export function fillFolder(folder: string, files: ReadonlyMap<string, string>): void {
  for (const name of ['bin', 'config', 'prometheus']) {
    symlinkSync(join(projectRoot, name), join(folder, name));
  }
  writeFileSync(join(folder, 'capture.pcap'), webServerTraffic().captureFile());
  writeFileSync(join(folder, 'nsg1.json'), JSON.stringify(EXPORTED_GROUP));
  writeFileSync(join(folder, 'template.json'), JSON.stringify(TEMPLATE));
  for (const [name, list] of Object.entries(LISTS)) {
    writeFileSync(join(folder, name), JSON.stringify(list));
  }
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}` };
}

/** Runs a shown command in a folder, as a shell does. */
export function runCommand(folder: string, command: string): Outcome {
  return outcome(['sh', '-c', command], folder);
}

function outcome(command: readonly string[], folder: string): Outcome {
  const [program = '', ...args] = command;
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    env: environment(folder),
    encoding: 'utf8',
    timeout: COMMAND_TIMEOUT_MS,
    input: '',
  });
  return { status, output: stdout + stderr };
}

export class DocumentMachine {
  readonly #folder: string;
  readonly #lab: Lab;
  readonly #holder: LabProcess;
  #daemon: LabProcess | undefined;

  private constructor(lab: Lab, folder: string, machine: NetworkNamespace) {
    this.#lab = lab;
    this.#folder = folder;
    this.#machine = machine;
    const own = join(lab.directory, 'etc');
    mkdirSync(own);
    spawnSync('cp', ['-a', '/etc/.', own]);
    mkdirSync(join(own, 'nsgd'), { recursive: true });
    cpSync(join(projectRoot, 'config/nsgd.yaml'), join(own, 'nsgd/nsgd.yaml'));
    const script =
      'mount -t tmpfs tmpfs /run && mkdir -m 0750 /run/nsgd && mount --bind "$0" /etc && exec sleep infinity';
    this.#holder = lab.spawn(machine, 'machine', ['unshare', '--mount', 'sh', '-c', script, own]);
  }
  readonly #machine: NetworkNamespace;

  static async start(lab: Lab, folder: string): Promise<DocumentMachine> {
    const machine = lab.namespace('machine');
    const [network, workload] = [lab.namespace('network'), lab.namespace('workload')];
    connect([machine, 'eth0'], [network, 'eth0']);
    connect([machine, 'eth1'], [workload, 'eth0']);
    network.ip('address', 'add', '10.0.1.1/24', 'dev', 'eth0');
    workload.ip('address', 'add', '10.0.1.4/24', 'dev', 'eth0');
    const started = new DocumentMachine(lab, folder, machine);
    const isReady = (): true | undefined =>
      started.run(`test -e ${INSTALLED} && test -d /run/nsgd`).status === 0 ? true : undefined;
    await waitFor('the machine', isReady);
    return started;
  }

  #inside(command: string): readonly [string, ...string[]] {
    const target = ['--target', String(this.#holder.child.pid), '--mount', '--net'];
    return ['nsenter', ...target, 'sh', '-c', `cd "$0" && ${command}`, this.#folder];
  }

  /** Runs a command to its end. */
  run(command: string): Outcome {
    return outcome(this.#inside(command), this.#folder);
  }

  /** Runs what would go on until somebody ends it for a while. Its status is 124, timeout(1)'s own, when it had to be ended. */
  runForAWhile(command: string): Outcome {
    return outcome(this.#inside(`exec timeout 3 ${command}`), this.#folder);
  }

  /** Starts a daemon with this command, in the place of the one before, and waits until it is ready. */
  async runDaemon(command: string): Promise<void> {
    await this.#daemon?.stop();
    const program = this.#inside(`exec ${command}`);
    const path = join(this.#folder, 'bin/nsgd');
    this.#daemon = this.#lab.spawn(this.#machine, 'nsgd', [
      'env',
      `PATH=${environment(this.#folder)['PATH'] ?? ''}`,
      ...program,
    ]);
    await waitFor(
      `${command} to be ready`,
      () => {
        if (this.#daemon?.isRunning !== true)
          throw new Error(`${command}: ${this.#daemon?.stderr}`);
        return this.run(`${path} status`).status === 0 ? true : undefined;
      },
      20_000,
    );
  }

  /** A daemon with the configuration of the package, unless the document started one. */
  async withDaemon(): Promise<void> {
    if (this.#daemon === undefined) await this.runDaemon(`nsgd run --config ${INSTALLED}`);
  }
}
