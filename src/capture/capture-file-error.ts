/**
 * CaptureFileError: what an operator is told when a capture file cannot be read, or cannot be read any further.
 *
 * A capture file comes from somewhere else, so nothing in it is trusted: every way it can be wrong ends here, with the
 * place in the file, and never in another exception.
 */

/**
 * - `open`: the file cannot be opened (missing, no permission, a directory)
 * - `read`: the operating system failed while reading
 * - `format`: not a capture file, or a format we do not read
 * - `truncated`: the file ends inside a header, record or block
 * - `length`: a length field that no sound file has
 * - `malformed`: a field contradicts the format
 * - `version`: the format is known, this version of it is not
 */
export type CaptureFileErrorCode =
  'open' | 'read' | 'format' | 'truncated' | 'length' | 'malformed' | 'version';

export class CaptureFileError extends Error {
  override readonly name = 'CaptureFileError';
  readonly code: CaptureFileErrorCode;
  /** The file's name as the operator gave it. */
  readonly file: string;
  /** Bytes from the start of the file to the header, record or block that is wrong. */
  readonly offset: number;

  /** @param problem what was expected and what was found, without the file's name and the offset */
  constructor(code: CaptureFileErrorCode, file: string, offset: number, problem: string) {
    super(code === 'open' ? `${file}: ${problem}` : `${file}: at byte ${offset}: ${problem}`);
    this.code = code;
    this.file = file;
    this.offset = offset;
  }
}
