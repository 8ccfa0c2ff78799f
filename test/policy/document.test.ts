import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOCUMENT_LENGTH_MAX, readDocument } from '../../src/policy/document.ts';
import { formatPath } from '../../src/policy/document-node.ts';
import { marked, placesOf } from './nsg-marked-text.ts';

const valueOf = (text: string, file: string): unknown => {
  const { document, problems } = readDocument(text, file);
  expect(problems).toEqual([]);
  return document?.value;
};

describe('values', () => {
  const rows: [name: string, file: string, text: string, value: unknown][] = [
    ['YAML block', 'a.yaml', 'a:\n  - 1\n  - b: x\n', { a: [1, { b: 'x' }] }],
    [
      'YAML 1.2 core: no is text',
      'a.yaml',
      'a: [no, on, 22:22, 1_0]',
      { a: ['no', 'on', '22:22', '1_0'] },
    ],
    ['YAML empty value', 'a.yaml', 'a:\nb: ~', { a: null, b: null }],
    ['YAML alias', 'a.yaml', 'a: &x [1]\nb: *x', { a: [1], b: [1] }],
    ['YAML merge key is a key', 'a.yaml', '<<: 1', { '<<': 1 }],
    ['YAML number as key', 'a.yaml', '0x10: 1', { '0x10': 1 }],
    ['JSON', 'a.json', '{"a": [1, -2.5e3, true, null, "x"]}', { a: [1, -2500, true, null, 'x'] }],
    ['JSON indented with tabs', 'a.json', '{\n\t"a"\t:\t1\n}', { a: 1 }],
    ['JSON by its first character', 'export', '\n {"a": 1}', { a: 1 }],
    ['flow YAML by its name', 'a.yml', '{a: 1}', { a: 1 }],
    ['JSON with comments, as templates have', 'a.json', '// x\n{"a": /* y */ 1}//', { a: 1 }],
    ['JSON escapes', 'a.json', '["\\u00e9\\n\\"\\\\\\/"]', ['é\n"\\/']],
    ['JSON after a byte order mark', 'a.json', '\ufeff{"a": 1}', { a: 1 }],
    ['YAML after a byte order mark', 'a.yaml', '\ufeffa: 1', { a: 1 }],
    ['CRLF', 'a.json', '{\r\n"a": 1\r\n}\r\n', { a: 1 }],
  ];
  it.each(rows)('%s', (_, file, text, value) => {
    expect(valueOf(text, file)).toEqual(value);
  });

  it('one line of two megabytes is read once, not once for every value', () => {
    // 250,000 values: looking for the end of the line at each would be 250 GB.
    const values = Array.from({ length: 250_000 }, (_, index) => 1_000_000 + index);
    const started = performance.now();
    expect(valueOf(JSON.stringify(values), 'a.json')).toHaveLength(250_000);
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it('a key __proto__ is an ordinary key', () => {
    const value = valueOf('{"__proto__": {"isAdmin": true}}', 'a.json');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect((value as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it('numbers keep the text they were written with', () => {
    for (const [text, file] of [
      ['[0777, 0x50, 80]', 'a.yaml'],
      ['[1e2, 80]', 'a.json'],
    ] as const) {
      const root = readDocument(text, file).document?.root;
      const texts =
        root?.kind === 'list' ? root.items.map((item) => item.kind === 'scalar' && item.text) : [];
      expect(`[${texts.join(', ')}]`).toBe(text);
    }
  });
});

describe('positions', () => {
  const file = 'nsg.yaml';
  const yaml = marked('§§a:\n  §b: §[1, §{§c: §x}]\n');
  const json = marked('§{§"a":\n\t§{"b": §[1,\n\t§{"c": §"x"}]}}');

  it('of YAML values and keys', () => {
    const document = readDocument(yaml.text, file).document;
    const [root, a, b, list, map, c, x] = yaml.marks;
    const at = (path: (string | number)[]) => placeOf(document?.positionOf(path));
    const keyAt = (path: (string | number)[]) => placeOf(document?.keyPositionOf(path));
    expect([at([]), keyAt(['a']), keyAt(['a', 'b'])]).toEqual([root, a, b]);
    expect([at(['a', 'b']), at(['a', 'b', 1])]).toEqual([list, map]);
    expect([keyAt(['a', 'b', 1, 'c']), at(['a', 'b', 1, 'c'])]).toEqual([c, x]);
    expect(document?.positionOf([]).file).toBe(file);
  });

  it('of JSON values and keys', () => {
    const document = readDocument(json.text, 'a.json').document;
    const at = (path: (string | number)[]) => placeOf(document?.positionOf(path));
    const [root, a, inner, list, map, x] = json.marks;
    expect([at([]), at(['a']), at(['a', 'b'])]).toEqual([root, inner, list]);
    expect([at(['a', 'b', 1]), at(['a', 'b', 1, 'c'])]).toEqual([map, x]);
    expect(placeOf(document?.keyPositionOf(['a']))).toBe(a);
  });

  it('of what does not exist is that of the deepest part that does', () => {
    const document = readDocument(yaml.text, file).document;
    expect(placeOf(document?.positionOf(['a', 'b', 1, 'd', 'e']))).toBe(yaml.marks[4]);
    expect(placeOf(document?.positionOf(['a', 'b', 7]))).toBe(yaml.marks[3]);
    expect(document?.nodeAt(['a', 'b', 7])).toBeUndefined();
    expect(document?.nodeAt(['a', 'b', 1, 'c'])?.kind).toBe('scalar');
  });

  it('paths are written as in JavaScript', () => {
    const node = readDocument(yaml.text.replace('c:', '"c d":'), file).document?.nodeAt([
      'a',
      'b',
      1,
      'c d',
    ]);
    expect(formatPath(node?.path)).toBe("a.b[1]['c d']");
    expect(formatPath(undefined)).toBe('(root)');
  });
});

function placeOf(position: { line: number; column: number } | undefined): string {
  return `${position?.line}:${position?.column}`;
}

describe('mistakes', () => {
  const rows: [name: string, file: string, source: string, codes: string[]][] = [
    ['empty YAML', 'a.yaml', '§# only a comment\n', ['EmptyDocument']],
    ['empty JSON', 'a.json', '  §', ['EmptyDocument']],
    ['bare * in YAML', 'a.yaml', 'a: §*\nb: 1', ['InvalidYaml']],
    ['tab in YAML', 'a.yaml', 'a:\n§\tb: 1', ['InvalidYaml']],
    ['unclosed quote', 'a.yaml', 'a: "x§', ['InvalidYaml']],
    ['two documents', 'a.yaml', 'a: 1\n§---\nb: 2', ['InvalidYaml']],
    ['unknown tag', 'a.yaml', 'a: §!secret x', ['InvalidYaml']],
    ['map as key', 'a.yaml', '? §{a: 1}\n: 2', ['InvalidYaml']],
    ['alias without anchor', 'a.yaml', 'a: §*x', ['InvalidYaml']],
    ['alias in its own anchor', 'a.yaml', 'a: &x [§*x]', ['InvalidYaml']],
    ['repeated YAML key', 'a.yaml', 'a: 1\n§a: 2', ['DuplicateKey']],
    ['two YAML mistakes', 'a.yaml', 'a: §*\nb: "§', ['InvalidYaml', 'InvalidYaml']],
    ['comma before the end', 'a.json', '{"a": 1§,}', ['InvalidJson']],
    ['missing comma', 'a.json', '[1 §2]', ['InvalidJson']],
    ['missing colon', 'a.json', '{"a" §1}', ['InvalidJson']],
    ['missing value', 'a.json', '{"a":§}', ['InvalidJson']],
    ['two commas', 'a.json', '[1,§,2]', ['InvalidJson']],
    ['unquoted key', 'a.json', '{§a: 1}', ['InvalidJson']],
    ['single quotes', 'a.json', "[§'a']", ['InvalidJson']],
    ['True', 'a.json', '[§True]', ['InvalidJson']],
    ['leading zero', 'a.json', '[§010]', ['InvalidJson']],
    ['bad escape', 'a.json', '["a§\\q"]', ['InvalidJson']],
    ['control character', 'a.json', '["a§\u0001b"]', ['InvalidJson']],
    ['text over the line end', 'a.json', '[§"a\n]', ['InvalidJson']],
    ['wrong bracket', 'a.json', '{"a": [1§}', ['InvalidJson']],
    ['cut off', 'a.json', '{"a": [1,§', ['InvalidJson']],
    ['something after the end', 'a.json', '{} §x', ['InvalidJson']],
    ['unclosed comment', 'a.json', '{} §/* x', ['InvalidJson']],
    ['repeated JSON key', 'a.json', '{"a": 1,\n§"a": 2}', ['DuplicateKey']],
    [
      'five JSON mistakes at once',
      'a.json',
      '{"a": §True,\n "b" §1,\n §c: 2,\n "d": [1 §2],\n "e": 3§,}',
      ['InvalidJson', 'InvalidJson', 'InvalidJson', 'InvalidJson', 'InvalidJson'],
    ],
  ];
  it.each(rows)('%s', (_, file, source, codes) => {
    const { text, marks } = marked(source);
    const { problems } = readDocument(text, file);
    expect(placesOf(problems)).toEqual(codes.map((code, index) => `${marks[index]} ${code}`));
  });

  it('a repeated key alone leaves a document with the first value', () => {
    for (const [text, file] of [
      ['a: 1\na: 2', 'a.yaml'],
      ['{"a": 1, "a": 2}', 'a.json'],
    ] as const) {
      expect(readDocument(text, file).document?.value).toEqual({ a: 1 });
    }
  });

  it('a bare * is told to be quoted', () => {
    expect(readDocument('a: *', 'a.yaml').problems[0]?.message).toContain('"*"');
  });

  it('stops complaining about a text that is not JSON at all', () => {
    const { problems } = readDocument('[' + 'x y '.repeat(1000), 'a.json');
    expect(problems).toHaveLength(50);
  });
});

const bomb = (levels: number): string => {
  const lines = ['a0: &a0 [1,1,1,1,1,1,1,1,1,1]'];
  for (let level = 1; level < levels; level++) {
    const aliases = Array.from({ length: 10 }, () => `*a${level - 1}`).join(',');
    lines.push(`a${level}: &a${level} [${aliases}]`);
  }
  return lines.join('\n');
};

describe('hostile sizes', () => {
  const rows: [name: string, file: string, text: string, code: string][] = [
    ['too long', 'a.yaml', 'a'.repeat(DOCUMENT_LENGTH_MAX + 1), 'FileTooLarge'],
    ['billion laughs', 'a.yaml', bomb(9), 'ExcessiveAliases'],
    ['deep flow YAML', 'a.yaml', '['.repeat(1_000_000), 'InvalidYaml'],
    ['deep block YAML', 'a.yaml', '- '.repeat(1_000_000), 'InvalidYaml'],
    ['deep maps YAML', 'a.yaml', '{a: '.repeat(100_000), 'InvalidYaml'],
    ['deep JSON', 'a.json', '['.repeat(1_000_000), 'InvalidJson'],
  ];
  it.each(rows)('%s', (_, file, text, code) => {
    const { document, problems } = readDocument(text, file);
    expect(document).toBeUndefined();
    expect(problems.map((problem) => problem.code)).toEqual([code]);
  });

  it('nesting up to the limit is read in both languages', () => {
    const text = '['.repeat(99) + ']'.repeat(99);
    for (const file of ['a.yaml', 'a.json']) expect(readDocument(text, file).problems).toEqual([]);
  });
});

describe('properties', () => {
  it('JSON reads as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const { document, problems } = readDocument(text, 'a.json');
        expect(problems).toEqual([]);
        expect(document?.value).toEqual(JSON.parse(text));
      }),
    );
  });

  it('JSON is accepted exactly when JSON.parse accepts it (comments and repeated keys aside)', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"',
      '1',
      '-',
      '01',
      'null',
      ' ',
      '\n',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const errors = readDocument(text, 'a.json').problems.filter(
          ({ code }) => code !== 'DuplicateKey',
        );
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        expect(errors.length === 0).toBe(isJson);
      }),
      { numRuns: 5000 },
    );
  });

  it('no text throws, every problem has a place in the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.constantFrom('a.yaml', 'a.json', 'a'),
        (text, file) => {
          const lines = text.split('\n').length;
          for (const { line, column } of readDocument(text, file).problems) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(line).toBeLessThanOrEqual(lines);
            expect(column).toBeGreaterThanOrEqual(1);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});
