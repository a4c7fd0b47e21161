package dev.sluice.nftables.expr;

import dev.sluice.nftables.uapi.LinuxNfTables;

/**
 * Registers ({@code enum nft_registers}): 64 bytes, addressed as four of 16 bytes (NFT_REG_1 …
 * NFT_REG_4) or as sixteen of 4 bytes (NFT_REG32_00 … NFT_REG32_15). A concatenation lies in
 * consecutive 4-byte registers, each field padded to a multiple of 4 bytes.
 */
public final class Register {
  /** The verdict register. */
  public static final int VERDICT = LinuxNfTables.NFT_REG_VERDICT;

  /** The first 16-byte register, where single values go. */
  public static final int R1 = LinuxNfTables.NFT_REG_1;

  /** No register: the attribute is absent. Not 0, which is the verdict register. */
  public static final int NONE = -1;

  private static final int BYTES_PER_REG32 = 4;
  private static final int REG32_PER_REG = 4;

  private Register() {}

  /**
   * The register {@code offsetBytes} behind the start of R1, in the spelling nft uses: the 16-byte
   * register where the offset is a multiple of 16, the 4-byte one otherwise.
   */
  public static int at(int offsetBytes) {
    int word = offsetBytes / BYTES_PER_REG32;
    return word % REG32_PER_REG == 0
        ? LinuxNfTables.NFT_REG_1 + word / REG32_PER_REG
        : LinuxNfTables.NFT_REG32_00 + word;
  }

  /** Bytes of a field inside a concatenation: its length rounded up to 4. */
  public static int padded(int lengthBytes) {
    return (lengthBytes + 3) & ~3;
  }
}
