/** What is bundled together, and where its sources are. */
interface Bundle {
  /** Entries of programs, by name. */
  readonly programs: Readonly<Record<string, string>>;
  /** All that they may import. */
  readonly folders: string;
}

export const bundles = {
  /** The services. */
  processes: {
    programs: { process: 'cli/bundle/bundled-process.ts' },
    folders: 'kit,contracts,services,edge,cli',
  },
  /** The services with the seams of a laboratory, which starts them again and again. */
  laboratory: {
    programs: { chaos: 'lab/chaos/child.ts', crash: 'lab/crash/child.ts' },
    folders: 'kit,contracts,services,edge,cli,lab',
  },
} as const satisfies Record<string, Bundle>;

/** A program that can be bundled, and with which others. */
export type Program = {
  [Name in keyof typeof bundles]: keyof (typeof bundles)[Name]['programs'];
}[keyof typeof bundles];

export function bundleOf(program: Program): keyof typeof bundles {
  const [name] = Object.entries(bundles).find(([, { programs }]) => program in programs) ?? [];
  return name as keyof typeof bundles;
}
