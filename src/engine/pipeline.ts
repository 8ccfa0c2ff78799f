/**
 * Pipeline: one frame from bytes to verdict. This is the file that shows the whole path; each step is one call.
 *
 *   decode, link traffic, sanity, NIC, fragments, flow, rules, count, tell
 *
 * Nothing here allocates, throws or reads a clock; the backend calls `setTime` once per batch.
 */
import { decode, DecodeCode } from '../capture/decode.ts';
import type { FrameBatch } from '../capture/frame.ts';
import { Fragment, IpProtocol, Packet } from '../capture/packet.ts';
import { FragmentCode, type FragmentTable } from '../flowtable/fragments.ts';
import { FlowKey, flowKey, quotedFlowKey } from '../flowtable/key.ts';
import { NO_FLOW, NO_SLOT, packSlots, RemoveReason, type FlowIndex } from '../flowtable/record.ts';
import type { FlowTable } from '../flowtable/table.ts';
import { StartKind, startKind } from '../flowtable/start.ts';
import { isQuotePlausible, track, TrackCode } from '../flowtable/track.ts';
import { type Counters, InterfaceCounter } from './counters.ts';
import type { FlowEvents } from './flow-events.ts';
import { flowOpener } from './flow-opener.ts';
import { Evaluation, evaluate, EVALUATION_STEPS, NO_RULE } from './evaluate.ts';
import { NO_NIC, type PolicyImage } from './policy-image.ts';
import { isHostAdvice, linkTraffic, ORDINARY, sanity } from './link-traffic.ts';
import { LookAhead } from './look-ahead.ts';
import { FIRST_DROP, FIRST_MALFORMED, FIRST_UNFIT_CODE, Reason } from './reason.ts';

const IP = DecodeCode.Ip;
const ARP = DecodeCode.Arp;
const LINK_LOCAL = DecodeCode.LinkLocal;
const FIRST = Fragment.First;
const LATER = Fragment.Later;
const TCP = IpProtocol.Tcp;
const STATELESS = StartKind.Stateless;
const NEEDS_FLOW = StartKind.NeedsFlow;
const PICK_UP = StartKind.PickUp;
const PASS = TrackCode.Pass;
const REOPEN = TrackCode.Reopen;
const FRAMES_IN = InterfaceCounter.FramesIn;
const BYTES_IN = InterfaceCounter.BytesIn;
const R = Reason;

/** No rule was asked. */
const NO_SLOTS = packSlots(NO_SLOT, NO_SLOT);
/** Flows looked at by one `housekeep`: bounds its time to some microseconds. */
const SWEEP_BUDGET = 64;

export interface PipelineOptions {
  /** Frames longer than this many bytes, link header and tags included, are dropped as oversize. */
  readonly maxFrameLength: number;
}

export interface PipelineParts {
  readonly image: PolicyImage;
  readonly flows: FlowTable;
  readonly fragments: FragmentTable;
  readonly counters: Counters;
  readonly events: FlowEvents;
}

export class Pipeline {
  /** The frame judged last; overwritten by the next. */
  readonly packet = new Packet();
  /** How the rules judged it; valid while `isEvaluated`. */
  readonly evaluation = new Evaluation();
  isEvaluated = false;
  /** Its reason, one of `Reason`; its NIC in the image or `NO_NIC`; its flow or `NO_FLOW`. */
  reason = 0;
  nic = NO_NIC;
  flow: FlowIndex = NO_FLOW;

  readonly #key = new FlowKey();
  readonly #opener = new Packet();
  readonly #lookAhead: LookAhead;
  readonly #flows: FlowTable;
  readonly #fragments: FragmentTable;
  readonly #counters: Counters;
  readonly #events: FlowEvents;
  readonly #maxFrameLength: number;
  #image: PolicyImage;
  #seconds = 0;
  #looseUntil = 0;

  constructor(options: PipelineOptions, parts: PipelineParts) {
    this.#image = parts.image;
    this.#flows = parts.flows;
    this.#lookAhead = new LookAhead(parts.flows);
    this.#fragments = parts.fragments;
    this.#counters = parts.counters;
    this.#events = parts.events;
    this.#maxFrameLength = options.maxFrameLength;
    parts.flows.listener = parts.events;
  }

  /** @param milliseconds of a monotonic clock; once per batch, never per packet */
  setTime(milliseconds: number): void {
    this.#seconds = Math.floor(milliseconds / 1000);
    this.#events.setTime(milliseconds);
  }

  /** Puts another policy in force, between two frames. Flows stay as they are. */
  usePolicy(image: PolicyImage): void {
    this.#image = image;
  }

  /** Until then TCP may be picked up mid-stream: for a start that found no saved flows. */
  pickUpUntil(milliseconds: number): void {
    this.#looseUntil = Math.floor(milliseconds / 1000);
  }

  /** Bounded bookkeeping, to be called between batches: expires idle flows. @returns flows removed */
  housekeep(): number {
    return this.#flows.sweep(this.#seconds, SWEEP_BUDGET);
  }

  /** Reads the flows of frames that are judged next, so that `judge` need not wait for each. May be left out. */
  lookAhead(view: DataView, batch: FrameBatch, side: number): void {
    this.#lookAhead.look(view, batch, side);
  }

  /** A `FrameJudge`: 1 to forward the frame to the other side, 0 to drop it. */
  judge(view: DataView, offset: number, length: number, side: number): number {
    const direction = side; // what comes from outside is inbound
    const counters = this.#counters;
    this.nic = NO_NIC;
    this.flow = NO_FLOW;
    this.isEvaluated = false;
    const reason = this.#decide(view, offset, length, direction);
    this.reason = reason;
    counters.addInterface(side, FRAMES_IN, 1);
    counters.addInterface(side, BYTES_IN, length);
    counters.addReason(direction, reason, length);
    const access = reason < FIRST_DROP ? 1 : 0;
    if (this.nic !== NO_NIC) {
      counters.addNic(this.#image.counterIndex(this.nic), direction, access, length);
    }
    if (access === 0) this.#tellDenied(direction, reason);
    return access;
  }

  #decide(view: DataView, offset: number, length: number, direction: number): number {
    const packet = this.packet;
    if (length > this.#maxFrameLength) return R.Oversize;

    const code = decode(view, offset, length, packet);
    if (code !== IP) return this.#linkFrame(code);

    const link = linkTraffic(packet, direction);
    if (link !== ORDINARY) return link;
    const insane = sanity(packet);
    if (insane !== ORDINARY) return insane;

    const nic = this.#image.nicOf(packet, direction);
    if (nic === NO_NIC) return R.UnknownAddress;
    this.nic = nic;

    if (packet.fragment === LATER) return this.#laterFragment(direction);
    if (packet.fragment === FIRST) return this.#firstFragment(nic, direction);
    return this.#wholePacket(nic, direction);
  }

  #wholePacket(nic: number, direction: number): number {
    return this.packet.isIcmpError
      ? this.#icmpError(nic, direction)
      : this.#flowOrRules(nic, direction);
  }

  /** Frames that carry no IP packet, and IP packets that are unfit. */
  #linkFrame(code: number): number {
    if (code >= FIRST_UNFIT_CODE) return FIRST_MALFORMED + code - FIRST_UNFIT_CODE;
    if (code === ARP) return R.Link;
    if (code === LINK_LOCAL)
      return this.#image.isLinkLocalForwarded ? R.LinkLocal : R.LinkLocalControl;
    return this.#image.isUnknownEtherTypePassed ? R.EtherType : R.UnknownEtherType;
  }

  /** A live flow decides; without one the rules do. */
  #flowOrRules(nic: number, direction: number): number {
    const packet = this.packet;
    const flows = this.#flows;
    flowKey(packet, direction, this.#key);
    const flow = flows.find(this.#key, this.#seconds);
    if (flow === NO_FLOW) return this.#rules(nic, direction);
    if (!this.#isInForce(nic, flow)) return this.#rules(nic, direction);
    const code = track(flows, flow, packet, direction, this.#seconds);
    if (code === PASS) {
      this.flow = flow;
      const last = flows.slot1(flow);
      const slot = last === NO_SLOT ? flows.slot0(flow) : last;
      if (slot !== NO_SLOT) this.#counters.addRulePacket(slot, packet.frameLength);
      return R.Flow;
    }
    if (code !== REOPEN) return R.TcpInvalid;
    flows.remove(flow, RemoveReason.Reopened);
    return this.#rules(nic, direction);
  }

  /** A packet without a flow: the rules judge it, and it makes a flow when they allow it and it can start one. */
  #rules(nic: number, direction: number): number {
    const packet = this.packet;
    const kind = startKind(packet);
    if (kind === NEEDS_FLOW || (kind === PICK_UP && !this.#isPickingUp())) {
      return packet.protocol === TCP ? R.TcpNoFlow : R.IcmpNoFlow;
    }
    const reason = this.#askRules(nic, direction);
    if (reason >= FIRST_DROP || kind === STATELESS || !this.evaluation.isStateful) return reason;
    return this.#open(direction, reason) ? reason : R.TableFull;
  }

  #askRules(nic: number, direction: number): number {
    const reason = evaluate(this.#image, nic, direction, this.packet, this.evaluation);
    this.isEvaluated = true;
    this.#countRules();
    return reason;
  }

  /** @returns false when the table has no room for another flow */
  #open(direction: number, reason: number): boolean {
    const { generation } = this.#image;
    const flow = this.#flows.insert(this.#key, direction, this.#seconds, generation, this.#slots());
    if (flow === NO_FLOW) return false;
    this.flow = flow;
    this.#counters.addFlow(this.packet.protocol);
    track(this.#flows, flow, this.packet, direction, this.#seconds);
    this.#events.opened(this.#flows, flow, this.packet, reason);
    return true;
  }

  /** The two rules a flow is admitted by: those of the stages, or the platform's in place of the first. */
  #slots(): number {
    const { slots } = this.evaluation;
    return packSlots(slots[0] === NO_RULE ? slots[1] & NO_SLOT : slots[0], slots[2] & NO_SLOT);
  }

  /** Mid-stream TCP may open a flow when the policy says so, or soon after a start without saved flows. */
  #isPickingUp(): boolean {
    return this.#image.isTcpPickupLoose || this.#seconds < this.#looseUntil;
  }

  /** Whether the policy still admits a flow; one that it does not is removed. */
  #isInForce(nic: number, flow: FlowIndex): boolean {
    if (this.#flows.generation(flow) === this.#image.generation) return true;
    if (this.#isStillAllowed(nic, flow)) return true;
    this.#flows.remove(flow, RemoveReason.Flushed);
    return false;
  }

  /** Judges a flow of an older policy anew when its NIC asks for that; else it goes on as it is. */
  #isStillAllowed(nic: number, flow: FlowIndex): boolean {
    if (!this.#image.isFlushing(nic)) return true;
    const opener = this.#opener;
    const direction = flowOpener(this.#flows, flow, opener);
    const reason = evaluate(this.#image, nic, direction, opener, this.evaluation);
    if (reason >= FIRST_DROP) return false;
    this.#flows.restamp(flow, this.#image.generation, this.#slots());
    return true;
  }

  /** An ICMP error passes only when the packet it quotes is of a live flow, going the other way. */
  #icmpError(nic: number, direction: number): number {
    if (isHostAdvice(this.packet)) return this.#askRules(nic, direction);
    if (quotedFlowKey(this.packet, direction, this.#key) === 0) return R.IcmpNoFlow;
    const flow = this.#flows.find(this.#key, this.#seconds);
    if (flow === NO_FLOW || !this.#isInForce(nic, flow)) return R.IcmpNoFlow;
    if (!isQuotePlausible(this.#flows, flow, this.packet, direction)) return R.IcmpNoFlow;
    this.flow = flow;
    return R.Related;
  }

  /** Judged like a whole packet; its verdict is kept for the others. */
  #firstFragment(nic: number, direction: number): number {
    const fragments = this.#fragments;
    if (!fragments.isNew(this.packet, direction, this.#seconds)) return R.FragmentInvalid;
    const reason = this.#wholePacket(nic, direction);
    fragments.note(this.packet, direction, reason < FIRST_DROP ? 1 : 0, this.#seconds);
    return reason;
  }

  #laterFragment(direction: number): number {
    const code = this.#fragments.later(this.packet, direction, this.#seconds);
    if (code === FragmentCode.Allow) return R.Fragment;
    if (code === FragmentCode.Deny) return R.FragmentDeny;
    return code === FragmentCode.Unknown ? R.FragmentUnknown : R.FragmentInvalid;
  }

  #tellDenied(direction: number, reason: number): void {
    const slots = this.isEvaluated ? this.#slots() : NO_SLOTS;
    this.#events.denied(this.packet, direction, reason, slots, this.#image.generation);
  }

  /** A hit for every stage that was reached; packet and bytes for the rule that decided. */
  #countRules(): void {
    const { slots, decidingStep } = this.evaluation;
    for (let step = 0; step < EVALUATION_STEPS; step++) {
      if (slots[step] !== NO_RULE) this.#counters.addRuleHit(slots[step]);
    }
    if (decidingStep !== NO_RULE) {
      this.#counters.addRulePacket(slots[decidingStep], this.packet.frameLength);
    }
  }
}
