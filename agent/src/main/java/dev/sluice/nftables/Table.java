package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_OWNER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_USE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_USERDATA;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.uapi.LinuxNfTables;

/**
 * A table.
 *
 * @param id its family and name
 * @param flags NFT_TABLE_F_DORMANT, NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST
 * @param userdata up to 256 bytes the kernel keeps and does not look at
 * @param handle given by the kernel; 0 before
 * @param uses chains, sets and objects inside, as the kernel counts them
 * @param ownerPortId netlink port of the socket that owns the table; 0 if nobody does
 */
public record Table(TableId id, int flags, Bytes userdata, long handle, int uses, int ownerPortId) {
  /** A table to be created, without flags. */
  public static Table of(TableId id) {
    return new Table(id, 0, Bytes.EMPTY, 0, 0, 0);
  }

  public Table withFlags(int newFlags) {
    return new Table(id, newFlags, userdata, handle, uses, ownerPortId);
  }

  public boolean isOwned() {
    return (flags & LinuxNfTables.NFT_TABLE_F_OWNER) != 0 && ownerPortId != 0;
  }

  void encode(MessageWriter out) {
    out.attrString(NFTA_TABLE_NAME, id.name()).attrU32be(NFTA_TABLE_FLAGS, flags);
    if (userdata.length() > 0) {
      out.attrBytes(NFTA_TABLE_USERDATA, userdata.toArray());
    }
  }

  static Table decode(int family, AttributeCursor in) {
    String name = "";
    int flags = 0;
    Bytes userdata = Bytes.EMPTY;
    long handle = 0;
    int uses = 0;
    int owner = 0;
    while (in.next()) {
      switch (in.type()) {
        case NFTA_TABLE_NAME -> name = in.string();
        case NFTA_TABLE_FLAGS -> flags = in.u32be();
        case NFTA_TABLE_USERDATA -> userdata = Bytes.of(in.bytes());
        case NFTA_TABLE_HANDLE -> handle = in.u64be();
        case NFTA_TABLE_USE -> uses = in.u32be();
        case NFTA_TABLE_OWNER -> owner = in.u32be();
        default -> {}
      }
    }
    return new Table(new TableId(family, name), flags, userdata, handle, uses, owner);
  }
}
