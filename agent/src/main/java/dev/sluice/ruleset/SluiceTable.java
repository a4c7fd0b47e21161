package dev.sluice.ruleset;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_OWNER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_PERSIST;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.Draining;
import dev.sluice.model.LinkedPort;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.OpenPort;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxChange;
import dev.sluice.model.Traffic;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.OutcomeUnknownException;
import dev.sluice.netlink.SocketOwner;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Monitor;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.text.TableListing;
import dev.sluice.nftables.text.TablePrinter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
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

  /** Does the work of the table while that is rebuilt. */
  private static final TableId STAND_IN = TableId.inet("sluice-stand-in");

  /** How often to look what became of a change whose answer was lost. */
  private static final int READ_BACK_ATTEMPTS = 3;

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
  // Guarded by writeLock, as what follows.
  private @Nullable PlainTableGuard guard;
  // Whose traffic is noted in the table, so that withdrawing a mapping knows without a dump.
  private final Set<MappingId> counted = new HashSet<>();
  // What is there to pick containers, which must not be written again; null if it is to be read.
  private @Nullable Set<String> spreads;
  private final SynProxySupport synProxy;

  private SluiceTable(Nftables nftables, boolean owned, Origin origin) {
    this.nftables = nftables;
    this.owned = owned;
    this.origin = origin;
    this.synProxy = new SynProxySupport(nftables::commit);
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
    SluiceTable table = openOrCreate(nftables, existing, flags);
    if (table.origin != Origin.CREATED) {
      table.counted.addAll(table.traffic().keySet());
    }
    return table;
  }

  private static SluiceTable openOrCreate(Nftables nftables, Optional<Table> existing, int flags) {
    boolean owned = flags == OWNED;
    Table wanted = wanted(flags);
    // Of an agent that was killed while it rebuilt the table, which is whole at every moment.
    if (nftables
        .table(STAND_IN)
        .filter(left -> !left.isOwned() || left.ownerPortId() == nftables.portId())
        .isPresent()) {
      dismissStandIn(nftables);
    }
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

  private static Table wanted(int flags) {
    return new Table(ID, flags, Userdata.comment("sluice " + Skeleton.VERSION), 0, 0, 0);
  }

  /**
   * Replaces the table by one of this version with the same contents; no packet sees anything in
   * between.
   *
   * <p>One transaction alone does not do that. At a hook the kernel calls the new chain before the
   * old one of the same priority, and the new one is empty until the transaction is in force, the
   * old one from then on: a packet that is between the two at that moment is seen by neither. So a
   * second table stands in, with the same contents, which is called between the two and stays as it
   * is.
   */
  private static void rebuild(Nftables nftables, Table wanted) {
    int ownedIfWanted = wanted.flags() & NFT_TABLE_F_OWNER; // gone with the process
    Table standIn =
        new Table(STAND_IN, ownedIfWanted, Userdata.comment("stands in for " + ID), 0, 0, 0);
    nftables.commit(
        writeAll(nftables, standIn, new Batch(256 << 10)),
        "create a table that stands in for " + ID);
    try {
      Batch batch = writeAll(nftables, wanted, new Batch(256 << 10).delete(ID));
      nftables.commit(batch, "rebuild the table " + ID);
    } finally {
      dismissStandIn(nftables);
    }
  }

  private static void dismissStandIn(Nftables nftables) {
    nftables.commit(new Batch().delete(STAND_IN), "delete the table that stood in for " + ID);
  }

  /** Writes what creates a table with everything that {@link #ID} holds now. */
  private static Batch writeAll(Nftables nftables, Table wanted, Batch batch) {
    // A table of another version may lack sets of this one.
    Set<String> there = new HashSet<>();
    nftables.sets(ID).forEach(set -> there.add(set.name()));
    Reader reader = new Reader(set -> there.contains(set) ? nftables.elements(ID, set) : List.of());
    ChangeWriter.Contents contents = reader.contents();
    batch.create(wanted);
    new Skeleton(wanted.id()).write(batch);
    new ChangeWriter(wanted.id(), batch).writeContents(contents);
    return batch;
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
   * @throws UncertainChangeException if the answer was lost and the table cannot be read either
   */
  public void apply(Change change) {
    if (change.isEmpty()) {
      return;
    }
    synchronized (writeLock) {
      carryOut(() -> writeAndCommit(change));
    }
  }

  /**
   * Says whether connections to {@code ::1} are left to the userland proxy.
   *
   * @throws NetlinkException if the kernel refuses
   */
  public void leaveLoopbackToProxy(boolean wanted) {
    synchronized (writeLock) {
      boolean now =
          read("read who serves ::1", () -> !nftables.elements(ID, SetNames.LOOPBACK6).isEmpty());
      if (now == wanted) {
        return;
      }
      Runnable write =
          () -> {
            batch.reset();
            if (wanted) {
              batch.addElements(ID, SetNames.LOOPBACK6, Skeleton.loopbackElements());
            } else {
              batch.deleteElements(
                  ID,
                  SetNames.LOOPBACK6,
                  Skeleton.loopbackElements().stream()
                      .map(one -> SetElement.of(one.key()))
                      .toList());
            }
            nftables.commit(batch, "say who serves ::1");
          };
      carryOut(write);
    }
  }

  /** Commits the batch that {@code write} fills; a guard is told that it is ours. */
  private void carryOut(Runnable write) {
    if (guard == null) {
      write.run();
    } else {
      guard.carryOut(batch, write);
    }
  }

  /**
   * Returns if mappings may have a SYN proxy.
   *
   * @throws UnsupportedByKernelException if the kernel has none
   * @throws NetlinkException if it cannot be tried
   */
  public void requireSynProxy() {
    synchronized (writeLock) {
      synProxy.require();
    }
  }

  private void writeAndCommit(Change change) {
    batch.reset();
    Set<String> there = spreads == null ? readSpreads() : spreads;
    Set<String> then =
        new ChangeWriter(ID, batch)
            .write(change, set -> nftables.elements(ID, set), counted, there);
    if (batch.isEmpty()) {
      return; // what was noted of a mapping goes with it, before somebody says that it is to go
    }
    // Until the kernel has said yes it is not known: somebody may have changed a plain table.
    spreads = null;
    commit(change);
    spreads = then;
    if (!counted.isEmpty() || !change.traffic().isEmpty()) {
      counted.removeAll(change.gone());
      change
          .traffic()
          .forEach(
              (id, sums) -> {
                if (sums.equals(Traffic.NONE)) {
                  counted.remove(id);
                } else {
                  counted.add(id);
                }
              });
    }
  }

  /** Those that have a rule: one that was emptied is to be written again. */
  private Set<String> readSpreads() {
    Set<String> found = new HashSet<>();
    for (Rule rule : nftables.rules(ID)) {
      if (SpreadChain.isOne(rule.chain())) {
        found.add(rule.chain());
      }
    }
    return found;
  }

  private void commit(Change change) {
    try {
      nftables.commit(batch, change.toString());
    } catch (NetlinkException e) {
      if (e.errno() == Errno.EEXIST) {
        throw new AlreadyPublishedException(e);
      }
      throw e;
    } catch (OutcomeUnknownException e) {
      // The answer was lost, not necessarily the change: the table itself tells.
      LOG.warn("{}; reading back", e.getMessage());
      if (!readBack(change, e)) {
        throw new NetlinkException(
            change.toString(),
            Errno.ENOBUFS,
            "its answer was lost, and the table shows that nothing was changed: try again",
            null,
            NetlinkException.NO_INDEX);
      }
    }
  }

  /** Whether the change is in force. */
  private boolean readBack(Change change, OutcomeUnknownException lost) {
    for (int attempt = 1; ; attempt++) {
      try {
        return isInForce(change);
      } catch (OutcomeUnknownException | NetlinkException | SystemCallException e) {
        if (attempt == READ_BACK_ATTEMPTS) {
          lost.addSuppressed(e);
          throw new UncertainChangeException(lost);
        }
        LOG.warn("cannot read back, trying again: {}", e.getMessage());
      }
    }
  }

  private boolean isInForce(Change change) {
    Set<String> bridges = new HashSet<>();
    networks().forEach(network -> bridges.add(network.bridge().toString()));
    Set<Mapping> inForce = mappingsOf(mappings());
    return change.publish().stream().allMatch(published -> inForce.contains(published.mapping()))
        && change.withdraw().stream()
            .noneMatch(mapping -> inForce.contains(mapping) && !isPublishedAgain(change, mapping))
        && isDrainingInForce(change)
        && isNoted(change.traffic())
        && change.attach().stream()
            .allMatch(network -> bridges.contains(network.bridge().toString()))
        && change.detach().stream()
            .noneMatch(network -> bridges.contains(network.bridge().toString()))
        && change.sandbox().map(this::isNoted).orElse(true)
        && (change.names().equals(Change.Names.NONE) || isAnswered(change.names()));
  }

  private boolean isAnswered(Change.Names names) {
    Set<NamesAt> inForce = names();
    return inForce.containsAll(names.open())
        && names.close().stream()
            .noneMatch(one -> !names.open().contains(one) && inForce.contains(one));
  }

  private boolean isNoted(SandboxChange change) {
    Optional<Sandbox> noted =
        sandboxes().stream().filter(one -> one.name().equals(change.name())).findFirst();
    return noted.equals(change.after());
  }

  private boolean isDrainingInForce(Change change) {
    if (change.drain().equals(Change.Drain.NONE)) {
      return true;
    }
    List<Draining> draining = draining();
    return draining.containsAll(change.drain().begun())
        && change.drain().ended().stream().noneMatch(draining::contains);
  }

  private boolean isNoted(Map<MappingId, Traffic> traffic) {
    Map<MappingId, Traffic> noted = traffic.isEmpty() ? Map.of() : traffic();
    return traffic.entrySet().stream()
        .allMatch(one -> noted.getOrDefault(one.getKey(), Traffic.NONE).equals(one.getValue()));
  }

  private static boolean isPublishedAgain(Change change, Mapping mapping) {
    return change.publish().stream().anyMatch(one -> one.mapping().equals(mapping));
  }

  /** Everything published, with its counters, as the kernel has it. */
  public List<PublishedMapping> mappings() {
    return read("read the published mappings", () -> reader().mappings());
  }

  private static Set<Mapping> mappingsOf(List<PublishedMapping> published) {
    Set<Mapping> mappings = new HashSet<>();
    published.forEach(each -> mappings.add(each.mapping()));
    return mappings;
  }

  /** Mappings that were taken back and whose connections are to be cut later. */
  public List<Draining> draining() {
    return read("read the draining mappings", () -> reader().draining());
  }

  /** What mappings have carried, as it was noted last. */
  public Map<MappingId, Traffic> traffic() {
    return read("read what mappings have carried", () -> reader().traffic());
  }

  /** Notes what mappings have carried, for the next agent; {@link Traffic#NONE} forgets it. */
  public void saveTraffic(Map<MappingId, Traffic> traffic) {
    apply(Change.traffic(traffic));
  }

  /** The networks that are attached. */
  public List<Network> networks() {
    return read("read the attached networks", () -> reader().networks());
  }

  /** The sandboxes and their places on networks, as they were noted last. */
  public List<Sandbox> sandboxes() {
    return read("read the sandboxes", () -> reader().sandboxes());
  }

  /** Where names are answered. */
  public Set<NamesAt> names() {
    return read("read where names are answered", () -> reader().names());
  }

  private Reader reader() {
    return new Reader(set -> nftables.elements(ID, set));
  }

  /** The table as it was at one moment. */
  @FunctionalInterface
  public interface Listing {
    /**
     * Prints it in the language of {@code nft -f}; holds nothing up.
     *
     * @throws IOException if {@code out} throws it
     */
    void print(Appendable out) throws IOException;
  }

  /** Reads the table as it is programmed. */
  public Listing listing() {
    Optional<TableListing> listing =
        read("read the table " + ID, () -> TableListing.read(nftables, ID));
    return out -> {
      if (listing.isPresent()) {
        TablePrinter.print(listing.get(), out);
      } else {
        out.append("# there is no table ").append(ID.toString()).append('\n');
      }
    };
  }

  private <T> T read(String operation, Supplier<T> reader) {
    synchronized (writeLock) {
      if (owned) {
        // Only this object can change the table, so nobody does while the lock is held.
        return reader.get();
      }
      if (guard != null) {
        return guard.read(operation, reader);
      }
    }
    return nftables.consistently(operation, reader);
  }

  /**
   * Watches this table, which is a plain one, and repairs what others do to it, until the guard is
   * closed.
   *
   * @param monitor of the table's namespace; the guard closes it
   */
  public PlainTableGuard guard(Monitor monitor) {
    synchronized (writeLock) {
      if (owned || guard != null) {
        throw new IllegalStateException(
            "the table " + ID + (owned ? " has an owner" : " is watched already"));
      }
      PlainTableGuard started =
          new PlainTableGuard(
              nftables,
              monitor,
              ID,
              writeLock,
              () -> writeAll(nftables, wanted(0), new Batch(256 << 10)),
              () -> spreads = null,
              () -> guard = null);
      guard = started;
      return started;
    }
  }

  /** What others did to this table and was repaired; empty while nobody watches it. */
  public Optional<Repairs> repairs() {
    synchronized (writeLock) {
      return Optional.ofNullable(guard).map(PlainTableGuard::repairs);
    }
  }

  /**
   * Takes its turn among the changes and asks the kernel a question on the socket they are made on;
   * returns when a change could be made. Waits as long as that takes.
   *
   * @throws NetlinkException if the kernel refuses to answer
   * @throws OutcomeUnknownException if it does not answer
   */
  public void awaitWriter() {
    synchronized (writeLock) {
      nftables.generation();
    }
  }

  /** Gives the table up; what is in it stays in force. */
  @Override
  public void close() {
    nftables.close();
  }

  /** Reads the table's elements back into what they mean. */
  private record Reader(Function<String, List<SetElement>> elementsOf) {
    List<PublishedMapping> mappings() {
      List<MappingCodec.Published> found = new ArrayList<>();
      Set<MappingId> odd = new LinkedHashSet<>();
      for (Family family : Family.values()) {
        for (boolean exact : List.of(true, false)) {
          String set = exact ? SetNames.exact(family) : SetNames.any(family);
          for (SetElement element : elementsOf.apply(set)) {
            MappingCodec.read(element, family, exact).ifPresent(found::add);
          }
          readSteered(family, exact, found, odd::add);
        }
        for (Protocol protocol : List.of(Protocol.TCP, Protocol.UDP)) {
          found.addAll(
              MappingCodec.readIntervals(
                  elementsOf.apply(SetNames.range(family, protocol)), family, protocol));
        }
      }
      List<PublishedMapping> mappings =
          MappingCodec.join(found, OptionsCodec.read(elementsOf), odd::add);
      if (!odd.isEmpty()) {
        LOG.warn(
            "somebody has changed elements of {} mappings in the table {} so that they cannot be read: {};"
                + " they are not listed, and stay until somebody deletes them",
            odd.size(),
            ID,
            odd);
      }
      return mappings;
    }

    private void readSteered(
        Family family, boolean exact, List<MappingCodec.Published> found, Consumer<MappingId> odd) {
      String kind = exact ? "exact" : "any";
      List<SetElement> steered = elementsOf.apply(SetNames.steered(family, kind));
      if (steered.isEmpty()) {
        return;
      }
      Map<Bytes, List<SetElement>> slots =
          SlotCodec.byPort(elementsOf.apply(SetNames.slots(family, kind)));
      for (SetElement element : steered) {
        MappingCodec.readSteered(
                element, family, exact, slots.getOrDefault(element.key(), List.of()))
            .ifPresentOrElse(
                found::add,
                () ->
                    MappingMetadata.decode(element.userdata())
                        .ifPresent(metadata -> odd.accept(metadata.id())));
      }
    }

    List<Draining> draining() {
      return elementsOf.apply(SetNames.DRAINING).stream()
          .flatMap(element -> DrainingCodec.read(element).stream())
          .toList();
    }

    List<Network> networks() {
      return NetworkCodec.read(elementsOf);
    }

    Map<MappingId, Traffic> traffic() {
      return TrafficCodec.read(elementsOf.apply(SetNames.TRAFFIC));
    }

    List<Sandbox> sandboxes() {
      return SandboxCodec.read(elementsOf.apply(SetNames.SANDBOXES));
    }

    ChangeWriter.Contents contents() {
      Set<LinkedPort> linked = new HashSet<>();
      Set<OpenPort> open = new HashSet<>();
      for (Family family : Family.values()) {
        linked.addAll(PortCodec.readLinked(elementsOf.apply(SetNames.linked(family))));
        open.addAll(PortCodec.readOpen(elementsOf.apply(SetNames.open(family))));
      }
      return new ChangeWriter.Contents(
          networks(),
          mappings(),
          draining(),
          traffic(),
          sandboxes(),
          linked,
          open,
          names(),
          !elementsOf.apply(SetNames.LOOPBACK6).isEmpty());
    }

    Set<NamesAt> names() {
      Set<NamesAt> names = new HashSet<>();
      for (Family family : Family.values()) {
        names.addAll(NamesCodec.read(elementsOf.apply(SetNames.exact(family)), family));
      }
      return names;
    }
  }
}
