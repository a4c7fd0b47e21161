package dev.sluice.ffi;

/**
 * A field of a structure that C and Java share, or the structure itself (a name without a dot).
 *
 * @param name as C exports it: {@code flow.orig_src}
 * @param offset bytes from the start of the structure
 * @param size bytes
 */
public record ShimField(String name, int offset, int size) {
  /** The structure it belongs to: what stands before the dot. */
  public String structure() {
    int dot = name.indexOf('.');
    return dot < 0 ? name : name.substring(0, dot);
  }

  /** As a refusal quotes it: {@code flow.orig_src at 48, 16 bytes}. */
  @Override
  public String toString() {
    return name + " at " + offset + ", " + size + " bytes";
  }
}
