/**
 * Asks a peer (peer.ts) that runs in a namespace. Calls may overlap: answers carry the number of the request.
 */
import { createInterface } from 'node:readline';
import type { LabProcess } from './lab.ts';
import type { PeerAnswer, PeerCalls, PeerMethod, PeerRequest } from './peer-calls.ts';

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Peer {
  readonly #process: LabProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(process: LabProcess) {
    this.#process = process;
    createInterface({ input: process.child.stdout }).on('line', (line) => {
      this.#settle(JSON.parse(line) as PeerAnswer);
    });
    void this.#rejectAtEnd();
  }

  /** @throws Error with the peer's message when the call itself failed; a refused connection is an answer. */
  call<M extends PeerMethod>(
    method: M,
    request: PeerCalls[M]['request'],
  ): Promise<PeerCalls[M]['answer']> {
    const id = this.#nextId++;
    const message: PeerRequest = { id, method, request };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#process.child.stdin.write(`${JSON.stringify(message)}\n`);
    });
  }

  async #rejectAtEnd(): Promise<void> {
    const how = await this.#process.exited;
    const error = new Error(`${this.#process.name} ended (${how}): ${this.#process.stderr}`);
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  #settle({ id, answer, error }: PeerAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(`${this.#process.name}: ${error}`));
  }
}
