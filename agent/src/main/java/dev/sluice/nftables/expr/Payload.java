package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_BASE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_CSUM_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_CSUM_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_CSUM_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_PAYLOAD_LL_HEADER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_PAYLOAD_NETWORK_HEADER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_PAYLOAD_TRANSPORT_HEADER;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Reads bytes of the packet into a register, or writes them from one ({@code enum
 * nft_payload_attributes}).
 */
public sealed interface Payload extends Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "payload";

  /**
   * Reads.
   *
   * @param base NFT_PAYLOAD_* ({@code enum nft_payload_bases})
   * @param offset bytes from the start of that header
   * @param length bytes, 1 to 255
   * @param dreg where they go
   */
  record Load(int base, int offset, int length, int dreg) implements Payload {
    @Override
    public void encode(MessageWriter out) {
      out.attrU32be(NFTA_PAYLOAD_DREG, dreg);
      out.attrU32be(NFTA_PAYLOAD_BASE, base);
      out.attrU32be(NFTA_PAYLOAD_OFFSET, offset);
      out.attrU32be(NFTA_PAYLOAD_LEN, length);
    }

    @Override
    public String toString() {
      return "payload load %db @ %s header + %d => reg %d"
          .formatted(length, baseName(base), offset, dreg);
    }
  }

  /**
   * Writes, and corrects a checksum.
   *
   * @param base NFT_PAYLOAD_* ({@code enum nft_payload_bases})
   * @param offset bytes from the start of that header
   * @param length bytes, 1 to 255
   * @param sreg where they come from
   * @param checksumType NFT_PAYLOAD_CSUM_* ({@code enum nft_payload_csum_types})
   * @param checksumOffset where the checksum lies in the same header, in bytes; 0 for none
   * @param checksumFlags NFT_PAYLOAD_L4CSUM_PSEUDOHDR if the transport header's checksum covers the
   *     bytes, else 0
   */
  record Write(
      int base,
      int offset,
      int length,
      int sreg,
      int checksumType,
      int checksumOffset,
      int checksumFlags)
      implements Payload {
    @Override
    public void encode(MessageWriter out) {
      out.attrU32be(NFTA_PAYLOAD_SREG, sreg);
      out.attrU32be(NFTA_PAYLOAD_BASE, base);
      out.attrU32be(NFTA_PAYLOAD_OFFSET, offset);
      out.attrU32be(NFTA_PAYLOAD_LEN, length);
      if (checksumOffset != 0) {
        out.attrU32be(NFTA_PAYLOAD_CSUM_TYPE, checksumType);
        out.attrU32be(NFTA_PAYLOAD_CSUM_OFFSET, checksumOffset);
      }
      if (checksumFlags != 0) {
        out.attrU32be(NFTA_PAYLOAD_CSUM_FLAGS, checksumFlags);
      }
    }

    @Override
    public String toString() {
      return "payload write reg %d => %db @ %s header + %d csum_type %d csum_off %d csum_flags 0x%x"
          .formatted(
              sreg, length, baseName(base), offset, checksumType, checksumOffset, checksumFlags);
    }
  }

  /** Reads {@code length} bytes at {@code offset} of the header {@code base}. */
  static Payload load(int base, int offset, int length, int dreg) {
    return new Load(base, offset, length, dreg);
  }

  /** Reads from the link-layer header. */
  static Payload link(int offset, int length, int dreg) {
    return load(NFT_PAYLOAD_LL_HEADER, offset, length, dreg);
  }

  /** Reads from the network header. */
  static Payload network(int offset, int length, int dreg) {
    return load(NFT_PAYLOAD_NETWORK_HEADER, offset, length, dreg);
  }

  /** Reads from the transport header. */
  static Payload transport(int offset, int length, int dreg) {
    return load(NFT_PAYLOAD_TRANSPORT_HEADER, offset, length, dreg);
  }

  @Override
  default String name() {
    return NAME;
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  static Payload decode(AttributeCursor inside) {
    int dreg = ABSENT;
    int sreg = ABSENT;
    int base = ABSENT;
    int offset = ABSENT;
    int length = ABSENT;
    int checksumType = 0;
    int checksumOffset = 0;
    int checksumFlags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_PAYLOAD_DREG -> dreg = inside.u32be();
        case NFTA_PAYLOAD_SREG -> sreg = inside.u32be();
        case NFTA_PAYLOAD_BASE -> base = inside.u32be();
        case NFTA_PAYLOAD_OFFSET -> offset = inside.u32be();
        case NFTA_PAYLOAD_LEN -> length = inside.u32be();
        case NFTA_PAYLOAD_CSUM_TYPE -> checksumType = inside.u32be();
        case NFTA_PAYLOAD_CSUM_OFFSET -> checksumOffset = inside.u32be();
        case NFTA_PAYLOAD_CSUM_FLAGS -> checksumFlags = inside.u32be();
        default -> {}
      }
    }
    present(base, "NFTA_PAYLOAD_BASE");
    present(offset, "NFTA_PAYLOAD_OFFSET");
    present(length, "NFTA_PAYLOAD_LEN");
    return sreg == ABSENT
        ? new Load(base, offset, length, present(dreg, "NFTA_PAYLOAD_DREG or SREG"))
        : new Write(base, offset, length, sreg, checksumType, checksumOffset, checksumFlags);
  }

  private static String baseName(int base) {
    return Text.name(List.of("link", "network", "transport", "inner"), base);
  }
}
