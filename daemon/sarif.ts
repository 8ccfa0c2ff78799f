/**
 * SARIF 2.1.0, the format of findings that code scanning takes (GitHub, Azure DevOps, editors). One run with all problems;
 * the rules are the codes that occur.
 *
 * OASIS "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", sections 3.13 to 3.30; what GitHub needs of it
 * is on its page "SARIF support for code scanning".
 */
import { isAbsolute, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AZURE_CODES, PROBLEM_CODES, type ProblemCode } from '../src/policy/problem-codes.ts';
import { escapeControls, type Problem } from '../src/policy/problem.ts';

const SCHEMA = 'https://json.schemastore.org/sarif-2.1.0.json';

interface SarifRule {
  readonly id: ProblemCode;
  readonly shortDescription: { readonly text: string };
  readonly fullDescription: { readonly text: string };
  readonly help: { readonly text: string };
  readonly properties: { readonly tags: readonly string[] };
}

interface SarifResult {
  readonly ruleId: ProblemCode;
  readonly ruleIndex: number;
  readonly level: 'error' | 'warning';
  readonly message: { readonly text: string };
  readonly locations: readonly [
    {
      readonly physicalLocation: {
        readonly artifactLocation: { readonly uri: string };
        readonly region: { readonly startLine: number; readonly startColumn: number };
      };
    },
  ];
}

export interface SarifLog {
  readonly $schema: string;
  readonly version: '2.1.0';
  readonly runs: readonly [
    {
      readonly tool: {
        readonly driver: {
          readonly name: string;
          readonly semanticVersion: string;
          readonly rules: readonly SarifRule[];
        };
      };
      /** As ours do, columns count UTF-16 units. */
      readonly columnKind: 'utf16CodeUnits';
      readonly results: readonly SarifResult[];
    },
  ];
}

function ruleOf(code: ProblemCode): SarifRule {
  const text = PROBLEM_CODES[code];
  const isAzure = Object.hasOwn(AZURE_CODES, code);
  const whose = isAzure ? 'Azure answers with this code too.' : 'This code is of nsgd.';
  return {
    id: code,
    shortDescription: { text },
    fullDescription: { text },
    help: { text: `${text} ${whose}` },
    properties: { tags: ['network', isAzure ? 'azure' : 'nsgd'] },
  };
}

/** Relative below the current directory, as code scanning looks files up in the repository; else a file URI. */
function uriOf(file: string, directory: string): string {
  const path = isAbsolute(file) ? relative(directory, file) : file;
  if (isAbsolute(path) || path.startsWith('..')) return pathToFileURL(file).href;
  return path.split(sep).map(encodeURIComponent).join('/');
}

/** @param directory current directory, absolute */
export function sarifOf(
  problems: readonly Problem[],
  version: string,
  directory: string,
): SarifLog {
  const codes = [...new Set(problems.map(({ code }) => code))].toSorted();
  const results = problems.map((problem): SarifResult => {
    const { code, line, column } = problem;
    return {
      ruleId: code,
      ruleIndex: codes.indexOf(code),
      level: problem.severity,
      message: { text: escapeControls(problem.message) },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: uriOf(problem.file, directory) },
            region: { startLine: line, startColumn: column },
          },
        },
      ],
    };
  });
  return {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: { name: 'nsgd', semanticVersion: version, rules: codes.map(ruleOf) },
        },
        columnKind: 'utf16CodeUnits',
        results,
      },
    ],
  };
}
