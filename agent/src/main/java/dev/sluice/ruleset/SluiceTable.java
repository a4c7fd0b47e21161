package dev.sluice.ruleset;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_OWNER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_PERSIST;

import dev.sluice.ffi.Errno;
import dev.sluice.model.Mapping;
import dev.sluice.model.Network;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Family;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.OutcomeUnknownException;
import dev.sluice.netlink.SocketOwner;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.text.TableListing;
import dev.sluice.nftables.text.TablePrinter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The table {@code inet sluice} of one network namespace: what is published is what it holds.
 *
 * <p>With {@link Ownership#AUTO} on a kernel that can, the table has an owner, this object's
 * socket: nobody else may change it, {@code nft flush ruleset} passes it by, and it stays in force
 * when the process dies. The next agent adopts it, with all that is in it. Otherwise the table is a
 * plain one, which also outlives the process, but which everybody may change.
 *
 * <p>Thread-safe; changes are serialised.
 */
public final class SluiceTable implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SluiceTable.class);

  public static final TableId ID = TableId.inet("sluice");

  private static final int OWNED = NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST;

  /** How the table came to be. */
  public enum Origin {
    CREATED,
    ADOPTED,
    /**
     * It was there, but of another version or with other flags: replaced in one transaction,
     * contents kept.
     */
    REBUILT
  }

  private final Nftables nftables;
  private final boolean owned;
  private final Origin origin;
  // One writer: the kernel takes one batch at a time anyway, and the batch's memory is reused.
  private final Object writeLock = new Object();
  private final Batch batch = new Batch(64 << 10);

  private SluiceTable(Nftables nftables, boolean owned, Origin origin) {
    this.nftables = nftables;
    this.owned = owned;
    this.origin = origin;
  }

  /**
   * Creates the table, or takes over the one that is there, with everything in it.
   *
   * @throws TableTakenException if another process owns it; the message names that process
   * @throws NetlinkException if the kernel refuses
   */
  public static SluiceTable open(Nftables nftables, Ownership ownership) {
    Optional<Table> existing = nftables.table(ID);
    Optional<Table> owned = existing.filter(Table::isOwned);
    if (owned.isPresent() && owned.get().ownerPortId() != nftables.portId()) {
      throw taken(owned.get().ownerPortId());
    }
    if (ownership == Ownership.OFF) {
      return open(nftables, existing, 0);
    }
    try {
      return open(nftables, existing, OWNED);
    } catch (NetlinkException e) {
      if (e.errno() == Errno.EPERM && nftables.table(ID).filter(Table::isOwned).isPresent()) {
        throw taken(nftables.table(ID).orElseThrow().ownerPortId());
      }
      if (e.errno() != Errno.EINVAL && e.errno() != Errno.EOPNOTSUPP) {
        throw e;
      }
      LOG.info(
          "this kernel cannot keep an owned table alive without its owner (Linux 6.9 can): using a plain table");
      return open(nftables, existing, 0);
    }
  }

  private static SluiceTable open(Nftables nftables, Optional<Table> existing, int flags) {
    boolean owned = flags == OWNED;
    Table wanted = new Table(ID, flags, Userdata.comment("sluice " + Skeleton.VERSION), 0, 0, 0);
    if (existing.isEmpty()) {
      Batch batch = new Batch(64 << 10).create(wanted);
      new Skeleton(ID).write(batch);
      nftables.commit(batch, "create the table " + ID);
      return new SluiceTable(nftables, owned, Origin.CREATED);
    }
    Table found = existing.get();
    // An owned table whose owner has died keeps only the persist flag. One that is still owned is
    // ours: its owner is this socket, which was kept while the agent was dead.
    int adoptable = found.isOwned() ? flags : flags & ~NFT_TABLE_F_OWNER;
    if (found.flags() == adoptable && found.userdata().equals(wanted.userdata())) {
      if (owned && !found.isOwned()) {
        nftables.commit(new Batch().add(wanted), "adopt the table " + ID);
      }
      return new SluiceTable(nftables, owned, Origin.ADOPTED);
    }
    rebuild(nftables, wanted);
    return new SluiceTable(nftables, owned, Origin.REBUILT);
  }

  /**
   * Replaces the table by one of this version with the same contents; no packet sees anything in
   * between.
   */
  private static void rebuild(Nftables nftables, Table wanted) {
    Reader reader = new Reader(nftables, ID);
    List<Network> networks = reader.networks();
    List<PublishedMapping> mappings = reader.mappings();
    Batch batch = new Batch(256 << 10).delete(ID).create(wanted);
    new Skeleton(ID).write(batch);
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    networks.forEach(network -> merge(bySet, NetworkCodec.elements(network)));
    mappings.forEach(
        published ->
            merge(
                bySet,
                Map.of(
                    SetNames.of(published.mapping()),
                    MappingCodec.elements(
                        published.mapping(), published.counters().connections()))));
    bySet.forEach((set, elements) -> batch.createElements(ID, set, elements));
    nftables.commit(batch, "rebuild the table " + ID);
  }

  private static TableTakenException taken(int ownerPortId) {
    String who =
        SocketOwner.find(NETLINK_NETFILTER, ownerPortId)
            .map(owner -> "process " + owner.pid() + " (" + owner.command() + ")")
            .orElse("another process");
    return new TableTakenException(
        "the table "
            + ID
            + " is owned by "
            + who
            + ", netlink port "
            + Integer.toUnsignedString(ownerPortId)
            + ": another agent serves this namespace; stop it first");
  }

  /** Whether the kernel refuses everybody else's changes. */
  public boolean isOwned() {
    return owned;
  }

  public Origin origin() {
    return origin;
  }

  /**
   * Carries out a change in one transaction.
   *
   * @throws AlreadyPublishedException if a mapping to publish claims a key that is taken
   * @throws NetlinkException if the kernel refuses for another reason; nothing was changed
   */
  public void apply(Change change) {
    if (change.isEmpty()) {
      return;
    }
    synchronized (writeLock) {
      batch.reset();
      Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
      for (Mapping mapping : change.withdraw()) {
        bySet
            .computeIfAbsent(SetNames.of(mapping), set -> new ArrayList<>())
            .addAll(MappingCodec.keys(mapping));
      }
      bySet.forEach((set, keys) -> batch.deleteElements(ID, set, keys));
      bySet.clear();
      change.networks().forEach(network -> merge(bySet, NetworkCodec.elements(network)));
      // "add": a network that is attached already is the same elements again.
      bySet.forEach((set, elements) -> batch.addElements(ID, set, elements));
      bySet.clear();
      for (Mapping mapping : change.publish()) {
        bySet
            .computeIfAbsent(SetNames.of(mapping), set -> new ArrayList<>())
            .addAll(MappingCodec.elements(mapping));
      }
      bySet.forEach((set, elements) -> batch.createElements(ID, set, elements));
      commit(change);
    }
  }

  private void commit(Change change) {
    String operation = describe(change);
    try {
      nftables.commit(batch, operation);
    } catch (NetlinkException e) {
      if (e.errno() == Errno.EEXIST) {
        throw new AlreadyPublishedException(e);
      }
      throw e;
    } catch (OutcomeUnknownException e) {
      // The answer was lost, not necessarily the change: the table itself tells.
      LOG.warn("{}; reading back", e.getMessage());
      if (!isInForce(change)) {
        throw e;
      }
    }
  }

  private boolean isInForce(Change change) {
    Set<Long> present = new HashSet<>();
    mappings().forEach(published -> present.add(published.mapping().id().bits()));
    Set<String> bridges = new HashSet<>();
    networks().forEach(network -> bridges.add(network.bridge().toString()));
    return change.publish().stream().allMatch(mapping -> present.contains(mapping.id().bits()))
        && change.withdraw().stream().noneMatch(mapping -> present.contains(mapping.id().bits()))
        && change.networks().stream()
            .allMatch(network -> bridges.contains(network.bridge().toString()));
  }

  private static String describe(Change change) {
    if (change.publish().size() == 1) {
      return "publish " + change.publish().get(0).key();
    }
    if (!change.publish().isEmpty()) {
      return "publish " + change.publish().size() + " mappings";
    }
    if (!change.withdraw().isEmpty()) {
      return "withdraw " + change.withdraw().size() + " mappings";
    }
    return "attach " + change.networks().size() + " networks";
  }

  /** Everything published, with its counters, as the kernel has it. */
  public List<PublishedMapping> mappings() {
    return read("read the published mappings", () -> new Reader(nftables, ID).mappings());
  }

  /** The networks that are attached. */
  public List<Network> networks() {
    return read("read the attached networks", () -> new Reader(nftables, ID).networks());
  }

  /**
   * Prints the table as it is programmed, in the language of {@code nft -f}. It is read first, and
   * then printed without holding anything up.
   *
   * @throws IOException if {@code out} throws it
   */
  public void print(Appendable out) throws IOException {
    Optional<TableListing> listing =
        read("read the table " + ID, () -> TableListing.read(nftables, ID));
    if (listing.isPresent()) {
      TablePrinter.print(listing.get(), out);
    } else {
      out.append("# there is no table ").append(ID.toString()).append('\n');
    }
  }

  private <T> T read(String operation, Supplier<T> reader) {
    if (owned) {
      // Only this object can change the table, so nobody does while the lock is held.
      synchronized (writeLock) {
        return reader.get();
      }
    }
    return nftables.consistently(operation, reader);
  }

  /** Gives the table up; what is in it stays in force. */
  @Override
  public void close() {
    nftables.close();
  }

  private static void merge(
      Map<String, List<SetElement>> into, Map<String, List<SetElement>> from) {
    from.forEach(
        (set, elements) -> into.computeIfAbsent(set, name -> new ArrayList<>()).addAll(elements));
  }

  /** Reads the table's elements back into what they mean. */
  private record Reader(Nftables nftables, TableId table) {
    List<PublishedMapping> mappings() {
      List<MappingCodec.Published> found = new ArrayList<>();
      for (Family family : Family.values()) {
        for (boolean exact : List.of(true, false)) {
          String set = exact ? SetNames.exact(family) : SetNames.any(family);
          nftables.forEachElement(
              table,
              set,
              element -> MappingCodec.read(element, family, exact).ifPresent(found::add));
        }
        for (Protocol protocol : List.of(Protocol.TCP, Protocol.UDP)) {
          found.addAll(
              MappingCodec.readIntervals(
                  nftables.elements(table, SetNames.range(family, protocol)), protocol));
        }
      }
      return MappingCodec.join(found);
    }

    List<Network> networks() {
      return NetworkCodec.read(set -> nftables.elements(table, set));
    }
  }
}
