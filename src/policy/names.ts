/**
 * Names as Azure compares them: without case, kept in their own spelling.
 */

/**
 * "Alphanumerics, underscores, periods, and hyphens. Start with alphanumeric. End alphanumeric or underscore",
 * 1 to 80 characters (Azure resource name rules, Microsoft.Network).
 */
const RESOURCE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$/;

/** True for a name that Azure takes for a security group, a rule or an application security group. */
export function isResourceName(name: string): boolean {
  return RESOURCE_NAME.test(name);
}

/** Azure's sentence on a name that it does not take. */
export function resourceNameMessage(quotedName: string): string {
  return (
    `Resource name ${quotedName} is invalid. The name can be up to 80 characters long. It must begin with a letter ` +
    "or a digit, and it must end with a letter, a digit or '_'. The name may contain letters, digits or '.', '-', '_'."
  );
}

/** The form under which a name is looked up and compared. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

/** A property as Azure's messages name it: `SourcePortRange`. */
export function capitalized(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** The last segment of a resource id (`web` of `/.../applicationSecurityGroups/web`), or the name itself. */
export function resourceNameOfId(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}

/**
 * The known name a mistyped word most likely stands for: the one with the smallest edit distance, case ignored,
 * when that is at most a third of the word. Undefined when nothing is near.
 */
export function nearestName(word: string, known: readonly string[]): string | undefined {
  const target = nameKey(word.slice(0, 100));
  let nearest: string | undefined;
  let best = Math.max(1, Math.floor(target.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(target, nameKey(candidate));
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substituted, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
