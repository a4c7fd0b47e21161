package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_EXTHDR_F_PRESENT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_EXTHDR_OP_IPV6;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_EXTHDR_OP_TCPOPT;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Reads an IPv6 extension header, an IPv4 or TCP option, or writes a TCP option ({@code enum
 * nft_exthdr_attributes}).
 *
 * @param op NFT_EXTHDR_OP_*: what kind of header ({@code enum nft_exthdr_op})
 * @param type the header's or option's number
 * @param offset bytes from its start
 * @param length bytes
 * @param register where the bytes go to, or come from
 * @param set whether they are written
 * @param flags NFT_EXTHDR_F_PRESENT for a mere yes or no; 0 when writing
 */
public record Exthdr(int op, int type, int offset, int length, int register, boolean set, int flags)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "exthdr";

  /** Reads {@code length} bytes at {@code offset} of a TCP option. */
  public static Exthdr tcpOption(int kind, int offset, int length, int dreg) {
    return new Exthdr(NFT_EXTHDR_OP_TCPOPT, kind, offset, length, dreg, false, 0);
  }

  /** Writes {@code length} bytes at {@code offset} of a TCP option. */
  public static Exthdr setTcpOption(int kind, int offset, int length, int sreg) {
    return new Exthdr(NFT_EXTHDR_OP_TCPOPT, kind, offset, length, sreg, true, 0);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(set ? NFTA_EXTHDR_SREG : NFTA_EXTHDR_DREG, register);
    out.attrU8(NFTA_EXTHDR_TYPE, type);
    out.attrU32be(NFTA_EXTHDR_OFFSET, offset);
    out.attrU32be(NFTA_EXTHDR_LEN, length);
    out.attrU32be(NFTA_EXTHDR_OP, op);
    if (!set) {
      out.attrU32be(NFTA_EXTHDR_FLAGS, flags);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Exthdr decode(AttributeCursor inside) {
    int op = NFT_EXTHDR_OP_IPV6;
    int type = ABSENT;
    int offset = ABSENT;
    int length = ABSENT;
    int register = ABSENT;
    boolean set = false;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_EXTHDR_OP -> op = inside.u32be();
        case NFTA_EXTHDR_TYPE -> type = inside.u8();
        case NFTA_EXTHDR_OFFSET -> offset = inside.u32be();
        case NFTA_EXTHDR_LEN -> length = inside.u32be();
        case NFTA_EXTHDR_DREG -> register = inside.u32be();
        case NFTA_EXTHDR_SREG -> {
          register = inside.u32be();
          set = true;
        }
        case NFTA_EXTHDR_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Exthdr(
        op,
        present(type, "NFTA_EXTHDR_TYPE"),
        present(offset, "NFTA_EXTHDR_OFFSET"),
        present(length, "NFTA_EXTHDR_LEN"),
        present(register, "NFTA_EXTHDR_DREG or SREG"),
        set,
        flags);
  }

  @Override
  public String toString() {
    String kind = Text.name(List.of("ipv6", "tcpopt", "ipv4", "sctp", "dccp"), op);
    return set
        ? "exthdr write %s reg %d => %db @ %d + %d".formatted(kind, register, length, type, offset)
        : "exthdr load %s %db @ %d + %d%s => reg %d"
            .formatted(
                kind,
                length,
                type,
                offset,
                (flags & NFT_EXTHDR_F_PRESENT) != 0 ? " present" : "",
                register);
  }
}
