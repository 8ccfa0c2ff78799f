import { defineConfig } from 'vitest/config';

/**
 * What needs both processors for itself: it measures a rate, a delay or a share of a processor, or kills something and expects
 * the rest to go on soon enough. These run one after another, when all others are done.
 *
 * The others run two at a time, so they may not depend on what runs beside them: live ones too make their own namespaces,
 * folders and sockets, and wait for a condition, with a generous bound, not for a time.
 */
const ALONE = [
  'test/capture/live/cap.test.ts',
  'test/capture/live/af-xdp/live.test.ts',
  'test/daemon/supervisor.test.ts',
  'test/e2e/{af-xdp,conservation,overload}.test.ts',
  'test/faults/*.test.ts',
];

// `--expose-gc` and the large young generation are what the allocation tests need (test/helpers/bytes-per-call.ts says why).
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
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: ALONE,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
