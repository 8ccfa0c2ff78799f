/**
 * What Prometheus answers, as the pictures need it.
 */
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';

/** A series of an answer of Prometheus' HTTP API. */
export interface AnswerSeries {
  readonly metric: Readonly<Record<string, string>>;
  /** Of an instant query. */
  readonly value?: readonly [time: number, value: string];
  /** Of a range query. */
  readonly values?: readonly (readonly [time: number, value: string])[];
}

/** Answers to the targets of a panel, in their order. */
export type Answers = ReadonlyMap<Panel, readonly (readonly AnswerSeries[])[]>;

/** The time that is shown. */
export interface Period {
  /** Seconds since the epoch. */
  readonly start: number;
  readonly end: number;
  /** Seconds between two points. */
  readonly step: number;
}
