import { describe, expect, test } from 'vitest';

import { createLog, LineLimit, readableLine } from '../../daemon/log.ts';

interface Written {
  readonly descriptor: number;
  readonly line: string;
}

function logOf(environment: Record<string, string>, isTerminal: boolean, clock = () => 0) {
  const written: Written[] = [];
  const log = createLog('info', {
    environment,
    isTerminal,
    clock,
    write: (descriptor, line) => {
      written.push({ descriptor, line: Buffer.from(line).toString('utf8') });
      return line.length;
    },
  });
  return { log, written };
}

describe('a line', () => {
  test.each([
    ['for the journal: JSON, standard output', { JOURNAL_STREAM: '8:1' }, true, 1, true],
    ['in a pipe: JSON, standard error', {}, false, 2, true],
    ['on a terminal: readable', {}, true, 2, false],
  ])('%s', (_, environment, isTerminal, descriptor, isJson) => {
    const { log, written } = logOf(environment, isTerminal);
    log.child({ wire: 'w' }).warn({ detail: 'down' }, 'waiting');
    log.debug('not this one');
    expect(written).toHaveLength(1);
    expect(written[0]?.descriptor).toBe(descriptor);
    const line = written[0]?.line ?? '';
    if (isJson)
      expect(JSON.parse(line)).toMatchObject({
        level: 40,
        wire: 'w',
        detail: 'down',
        msg: 'waiting',
      });
    else expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}waiting wire=w detail=down\n$/);
  });

  test('for people keeps every value on its line and in its place', () => {
    const json = JSON.stringify({
      time: 0,
      level: 50,
      msg: 'exit\u001b[2J',
      detail: 'a b\nlevel=30 \u001b]0;x\u0007',
      problems: ['x: "y"'],
      code: null,
    });
    const line = readableLine(json);
    // oxlint-disable-next-line no-control-regex -- that there are none
    expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
    expect(line).toContain('ERROR exit');
    expect(line).toContain(String.raw`detail="a b\nlevel=30 `);
    expect(line).toContain(String.raw`problems=["x: \"y\""] code=null`);
  });
});

describe('what repeats', () => {
  test('is left out after 30 lines in a minute, by message, and counted in the next', () => {
    let now = 0;
    const limit = new LineLimit(() => now);
    const admitted = Array.from({ length: 100 }, () => limit.admit('exit')).filter((n) => n === 0);
    expect(admitted).toHaveLength(30);
    expect(limit.admit('state')).toBe(0);
    now = 59_999;
    expect(limit.admit('exit')).toBeUndefined();
    now = 60_000;
    expect([limit.admit('exit'), limit.admit('exit')]).toEqual([71, 0]);
  });

  test('says so in the log, whatever the fields', () => {
    let now = 0;
    const { log, written } = logOf({}, false, () => now);
    for (let index = 0; index < 40; index++) log.info({ index }, 'exit');
    for (let index = 0; index < 40; index++) log.info('plain');
    now = 60_000;
    log.info({ index: 40 }, 'exit');
    log.info('plain');
    expect(written).toHaveLength(62);
    const [fields, plain] = written.slice(-2).map(({ line }) => JSON.parse(line) as object);
    expect(fields).toMatchObject({ index: 40, suppressedLines: 10, msg: 'exit' });
    expect(plain).toMatchObject({ suppressedLines: 10, msg: 'plain' });
  });
});

test('a line that cannot be written ends nothing; the next one says how many were lost', () => {
  const written: string[] = [];
  let problem: string | undefined = 'EPIPE';
  const log = createLog('info', {
    environment: {},
    isTerminal: false,
    clock: () => 0,
    write: (_, line) => {
      if (problem !== undefined) throw Object.assign(new Error(problem), { code: problem });
      written.push(Buffer.from(line).toString('utf8'));
      return line.length;
    },
  });
  log.info('lost');
  log.error({ wire: 'w' }, 'lost too');
  problem = undefined;
  log.info({ wire: 'w' }, 'first');
  log.info('second');
  expect(written.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ wire: 'w', lostLines: 2, msg: 'first' }),
    expect.not.objectContaining({ lostLines: 2 }),
  ]);
});

test('a line of which only a part could be written is lost; the next is whole and on a line of its own', () => {
  let room = 10;
  let text = '';
  const log = createLog('info', {
    environment: {},
    isTerminal: false,
    clock: () => 0,
    write: (_, line) => {
      const written = Math.min(room, line.length);
      room -= written;
      text += Buffer.from(line.subarray(0, written)).toString('utf8');
      if (written === 0) throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN' });
      return written;
    },
  });
  log.info('torn');
  log.info('lost');
  room = 1;
  // Just the end of the torn line.
  log.info('lost too');
  room = 1000;
  log.info('first');
  log.info('second');
  const [torn, ...whole] = text.trimEnd().split('\n');
  expect(torn).toHaveLength(10);
  expect(whole.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ lostLines: 3, msg: 'first' }),
    expect.not.objectContaining({ lostLines: 3 }),
  ]);
});
