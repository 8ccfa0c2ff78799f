import { defineConfig } from 'vitest/config';

/** Tests without traffic or times that have to be met: two at a time do not disturb each other. */
const OFFLINE = [
  'test/{policy,engine,flowtable,property,golden,project,prometheus,fuzz}/**/*.test.ts',
  'test/capture/*.test.ts',
  'test/capture/wire/*.test.ts',
  'test/daemon/{commands-*,completion,hostile-names,host-mode-steps,replay,sarif,tuple,verify-request}.test.ts',
  'test/packaging/*.test.ts',
];

// The others run one after another, and after those: they own network namespaces and both cores, and neighbours would make
// them flaky. `--expose-gc` and the large young generation are what the allocation tests need
// (test/helpers/bytes-per-call.ts says why).
export default defineConfig({
  test: {
    pool: 'forks',
    execArgv: ['--expose-gc', '--min-semi-space-size=16'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // `make coverage`: what reads the bytes of a frame has hardly a line or a branch that no test and no mutated frame takes.
    coverage: {
      provider: 'v8',
      include: ['src/capture/decode.ts', 'src/capture/wire/*.ts'],
      reporter: ['text'],
      thresholds: { lines: 95, branches: 95 },
    },
    projects: [
      {
        extends: true,
        test: { name: 'offline', include: OFFLINE, maxWorkers: 2, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'live',
          include: ['test/**/*.test.ts'],
          exclude: OFFLINE,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
