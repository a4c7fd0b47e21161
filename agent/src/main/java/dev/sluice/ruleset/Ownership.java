package dev.sluice.ruleset;

/** Whether the kernel lets anybody else change the table. */
public enum Ownership {
  /**
   * Owned where the kernel can keep an owned table alive without its owner (6.9), plain elsewhere.
   */
  AUTO,
  /** Always plain: anybody may change or flush it. */
  OFF
}
