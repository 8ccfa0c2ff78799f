/**
 * The built daemon on af-xdp between two namespaces, with a packet socket at either end, for frames whose verdicts are asked one
 * by one.
 */
import { callControl } from '../../daemon/control/client.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { disableOffloads, type Lab } from '../helpers/lab.ts';
import { MarkedWire } from '../helpers/marked-wire.ts';
import { INSIDE, OUTSIDE } from '../helpers/network.ts';
import { connect } from '../helpers/network-namespace.ts';
import { PacketSocket } from '../helpers/packet-socket.ts';
import { configurationText, type RigPolicy } from '../helpers/pipeline-rig.ts';

type ConfigurationText = (settings: Readonly<Record<string, unknown>>) => string;

export class NsgdWire {
  readonly daemon: TestDaemon;
  readonly wire: MarkedWire;
  readonly #sockets: readonly [PacketSocket, PacketSocket];

  private constructor(daemon: TestDaemon, sockets: readonly [PacketSocket, PacketSocket]) {
    this.daemon = daemon;
    this.#sockets = sockets;
    this.wire = new MarkedWire(...sockets);
  }

  /** A wire with this policy, strict about TCP in the middle of a connection from the first frame on. */
  static async start(lab: Lab, policy: RigPolicy): Promise<NsgdWire> {
    const filter = lab.namespace('nsgd');
    const socketAt = (role: string, device: string): PacketSocket => {
      const end = lab.namespace(role);
      connect([end, 'far0'], [filter, device]);
      disableOffloads(end, 'far0');
      return new PacketSocket(end, 'far0');
    };
    const sockets = [socketAt('outside', OUTSIDE), socketAt('inside', INSIDE)] as const;
    // The first start finds no saved flows, and picks up TCP for half a minute; the second finds what the first saved.
    const first = await TestDaemon.start(lab, filter, textOf(policy));
    await first.process.stop();
    return new NsgdWire(await TestDaemon.start(lab, filter, textOf(policy)), sockets);
  }

  /** Puts another policy in force. @throws Error with the answer where it is refused */
  async reload(policy: RigPolicy): Promise<void> {
    this.daemon.write(textOf(policy));
    const call = { method: 'POST', target: '/v1/reload' } as const;
    const { status, body } = await callControl(this.daemon.socket, call);
    if (status !== 200) throw new Error(`reload: ${body}`);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

function textOf(policy: RigPolicy): ConfigurationText {
  return (settings) =>
    configurationText({
      ...policy,
      settings: { ...policy.settings, ...settings, metrics: { listen: 'off' } },
    });
}
