package dev.sluice.route;

import static dev.sluice.net.MalformedValueException.quote;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.ffi.Errno;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageHandler;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.netlink.NetlinkClient;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetworkNamespace;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;

/**
 * Links, addresses, routes and neighbours of one network namespace.
 *
 * <p>Each method is one request that the kernel carries out completely or not at all; what it
 * refuses is a {@link NetlinkException} whose text names what was asked and the kernel's reason.
 * Lists are consistent: a table that changes while it is read is read again.
 *
 * <p>Can be used from several threads; requests wait for each other.
 */
public final class Rtnetlink implements AutoCloseable {
  private final NetlinkClient client;

  Rtnetlink(NetlinkClient client) {
    this.client = client;
  }

  /** For the calling thread's network namespace. */
  public static Rtnetlink open() {
    return new Rtnetlink(NetlinkClient.open(LinuxNetlink.NETLINK_ROUTE, RouteSchema.INSTANCE));
  }

  /** For {@code namespace}, which may be closed afterwards. */
  public static Rtnetlink open(NetworkNamespace namespace) {
    return new Rtnetlink(
        new NetlinkClient(
            NetlinkSocket.open(LinuxNetlink.NETLINK_ROUTE, namespace), RouteSchema.INSTANCE));
  }

  // ---- links

  /** All links, in the order of their indexes as the kernel keeps them. */
  public List<Link> links() {
    return list(LinkMessages.dump(), "list the links", LinkMessages::decode);
  }

  /** The link of this name; empty if there is none. */
  public Optional<Link> link(String name) {
    checkName(name);
    return find(
        LinkMessages.get(name), "read link " + quote(name), LinkMessages::decode, Errno.ENODEV);
  }

  /** The link of this index; empty if there is none. */
  public Optional<Link> link(int index) {
    return find(LinkMessages.get(index), "read link " + index, LinkMessages::decode, Errno.ENODEV);
  }

  /**
   * Makes a bridge, which is down.
   *
   * @throws NetlinkException EEXIST if the name is taken, ERANGE if it is longer than 15 bytes
   */
  public Link createBridge(String name, BridgeOptions options) {
    checkName(name);
    String operation = "create bridge " + quote(name);
    client.execute(LinkMessages.createBridge(name, options), operation);
    Link bridge = created(name, operation);
    if (options.alias().isEmpty()) {
      return bridge;
    }
    try {
      setAlias(bridge.index(), options.alias().get());
    } catch (NetlinkException e) {
      deleteLink(bridge.index());
      throw e;
    }
    return created(name, operation);
  }

  /**
   * Makes a pair of links that are each other's wire; both are down.
   *
   * @param name of the end in this namespace
   * @param peerName of the other end
   * @param peerNamespace where the other end comes to be; this namespace if empty
   * @return the end in this namespace
   * @throws NetlinkException EEXIST if one of the names is taken
   */
  public Link createVeth(String name, String peerName, Optional<NetworkNamespace> peerNamespace) {
    VethOptions options = VethOptions.of(name, peerName);
    return createVeth(peerNamespace.map(options::withPeerNamespace).orElse(options));
  }

  /**
   * Makes a pair of links that are each other's wire, complete or not at all.
   *
   * @return the end in this namespace
   * @throws NetlinkException EEXIST if one of the names is taken; EINVAL if the MTU is none, the
   *     address is no station's or the master is no bridge
   */
  public Link createVeth(VethOptions options) {
    checkName(options.name());
    checkName(options.peerName());
    String operation =
        "create veth "
            + quote(options.name())
            + " with peer "
            + quote(options.peerName())
            + options.peerNamespace().map(namespace -> " in " + namespace).orElse("");
    OptionalInt fd =
        options
            .peerNamespace()
            .map(namespace -> OptionalInt.of(namespace.fd()))
            .orElse(OptionalInt.empty());
    client.execute(LinkMessages.createVeth(options, fd), operation);
    Link near = created(options.name(), operation);
    if (!options.peerUp()) {
      return near;
    }
    try {
      setPeerUp(near, options);
    } catch (RuntimeException e) {
      try {
        deleteLink(near.index());
      } catch (NetlinkException alsoFailed) {
        e.addSuppressed(alsoFailed);
      }
      throw e;
    }
    // With its peer the near end has a carrier.
    return created(options.name(), operation);
  }

  private void setPeerUp(Link near, VethOptions options) {
    int peerIndex = near.linkedIndex().orElseThrow();
    if (options.peerNamespace().isEmpty()) {
      setUp(peerIndex, true);
      return;
    }
    try (Rtnetlink there = open(options.peerNamespace().get())) {
      there.setUp(peerIndex, true);
    }
  }

  /** Switches a link on or off. */
  public void setUp(int index, boolean up) {
    client.execute(LinkMessages.setUp(index, up), "set link " + index + (up ? " up" : " down"));
  }

  /**
   * Makes a link a port of a bridge, leaving the one it was a port of.
   *
   * @param masterIndex the bridge
   */
  public void setMaster(int index, int masterIndex) {
    client.execute(
        LinkMessages.setMaster(index, masterIndex),
        "make link " + index + " a port of link " + masterIndex);
  }

  /** Takes a port out of its bridge; does nothing if the link is not a port. */
  public void removeMaster(int index) {
    client.execute(LinkMessages.setMaster(index, 0), "take link " + index + " out of its bridge");
  }

  /** Renames a link; before Linux 6.1 only while it is down (EBUSY otherwise). */
  public void rename(int index, String name) {
    checkName(name);
    client.execute(LinkMessages.rename(index, name), "rename link " + index + " to " + quote(name));
  }

  /**
   * Sets a link's text for operators.
   *
   * @param alias up to 255 bytes of UTF-8; empty for none
   */
  public void setAlias(int index, String alias) {
    client.execute(
        LinkMessages.setAlias(index, alias),
        "set the alias of link " + index + " to " + quote(alias));
  }

  /** Sets the MTU; what the device can do is its driver's matter (EINVAL otherwise). */
  public void setMtu(int index, int bytes) {
    client.execute(
        LinkMessages.setMtu(index, bytes), "set the MTU of link " + index + " to " + bytes);
  }

  /** Sets the hardware address. */
  public void setMac(int index, MacAddress mac) {
    client.execute(
        LinkMessages.setMac(index, mac),
        "set the hardware address of link " + index + " to " + mac);
  }

  /**
   * Moves a link to another namespace. There it is down, without addresses and port of no bridge,
   * and may have another index.
   *
   * @throws NetlinkException EEXIST if its name is taken there
   */
  public void moveTo(int index, NetworkNamespace namespace) {
    client.execute(
        LinkMessages.move(index, namespace.fd()), "move link " + index + " to " + namespace);
  }

  /**
   * Lets a bridge port send a frame back out where it came in, or not.
   *
   * @throws NetlinkException EOPNOTSUPP or EINVAL if the link is no bridge port
   */
  public void setHairpin(int index, boolean on) {
    client.execute(
        LinkMessages.setHairpin(index, on),
        "turn hairpin mode of link " + index + (on ? " on" : " off"));
  }

  /**
   * Sets what a bridge port is like, in one request.
   *
   * @throws NetlinkException EOPNOTSUPP if the link is no bridge port; ERANGE if the alias is too
   *     long
   */
  public void setPort(int index, PortOptions options) {
    client.execute(
        LinkMessages.setPort(index, options), "set up link " + index + " as a bridge port");
  }

  /** Deletes a virtual link; with one end of a veth pair goes the other. */
  public void deleteLink(int index) {
    client.execute(LinkMessages.delete(index), "delete link " + index);
  }

  /**
   * The id this namespace knows another by, as in {@link Link#linkedNamespaceId}; empty if none was
   * given yet.
   */
  public OptionalInt namespaceId(NetworkNamespace namespace) {
    MessageWriter request = new MessageWriter(64).begin(RTM_GETNSID, NLM_F_REQUEST, 0);
    FixedHeaders.rtgenmsg(request, AF_UNSPEC).attrU32(NETNSA_FD, namespace.fd()).end();
    Collector<Integer> ids = new Collector<>(Rtnetlink::decodeNamespaceId);
    client.execute(request, "read the id of " + namespace, ids);
    return ids.values().stream().mapToInt(Integer::intValue).findFirst();
  }

  // ---- addresses

  /** All IPv4 and IPv6 addresses of all links. */
  public List<InterfaceAddress> addresses() {
    return list(AddressMessages.dump(0), "list the addresses", AddressMessages::decode);
  }

  /** The IPv4 and IPv6 addresses of one link; none if there is no such link. */
  public List<InterfaceAddress> addresses(int linkIndex) {
    String operation = "list the addresses of link " + linkIndex;
    try {
      return list(AddressMessages.dump(linkIndex), operation, AddressMessages::decode).stream()
          // Kernels that do not check strictly tell about all links.
          .filter(address -> address.linkIndex() == linkIndex)
          .toList();
    } catch (NetlinkException e) {
      if (e.errno() == Errno.ENODEV) {
        return List.of();
      }
      throw e;
    }
  }

  /**
   * Gives a link an address.
   *
   * @param prefixLengthBits how many leading bits its neighbours share with it; the kernel makes a
   *     route for them
   * @param flags IFA_F_* of {@link LinuxRtnetlink}; IFA_F_NODAD makes an IPv6 address usable at
   *     once
   * @throws NetlinkException EEXIST if the link has it already
   */
  public void addAddress(int linkIndex, IpAddress address, int prefixLengthBits, int flags) {
    InterfaceAddress added = own(linkIndex, address, prefixLengthBits, flags);
    client.execute(
        AddressMessages.add(added), "add address " + added.text() + " to link " + linkIndex);
  }

  /**
   * Takes an address from a link.
   *
   * @throws NetlinkException EADDRNOTAVAIL if the link does not have it
   */
  public void removeAddress(int linkIndex, IpAddress address, int prefixLengthBits) {
    InterfaceAddress removed = own(linkIndex, address, prefixLengthBits, 0);
    client.execute(
        AddressMessages.remove(removed),
        "remove address " + removed.text() + " from link " + linkIndex);
  }

  // ---- routes

  /** All routes of all tables, first IPv4, then IPv6. */
  public List<Route> routes() {
    List<Route> all = new ArrayList<>(routes(Family.IPV4));
    all.addAll(routes(Family.IPV6));
    return List.copyOf(all);
  }

  /** All routes of all tables of one family. */
  public List<Route> routes(Family family) {
    return list(
            RouteMessages.dump(family),
            "list the " + family.title() + " routes",
            RouteMessages::decode)
        .stream()
        // A kernel without IPv6 answers a question for its routes with everything it has.
        .filter(route -> route.family() == family)
        .toList();
  }

  /**
   * Adds a route.
   *
   * @throws NetlinkException EEXIST if its table has one to the destination with the same metric,
   *     ENETUNREACH if its gateway is on no link
   */
  public void addRoute(Route route) {
    client.execute(RouteMessages.add(route), "add route " + route);
  }

  /** Adds a route, in place of the one with the same destination, table and metric if there is. */
  public void replaceRoute(Route route) {
    client.execute(RouteMessages.replace(route), "replace route " + route);
  }

  /**
   * Removes a route.
   *
   * @throws NetlinkException ESRCH if there is none like it
   */
  public void removeRoute(Route route) {
    client.execute(RouteMessages.remove(route), "remove route " + route);
  }

  /**
   * The route that packets of this host to {@code destination} take: its destination is the one
   * address, its link and gateway are those that are used, its type says whether the address is the
   * host's own (RTN_LOCAL). Empty if they would be refused: there is no route, or one of type
   * RTN_UNREACHABLE, RTN_PROHIBIT or RTN_BLACKHOLE.
   */
  public Optional<Route> routeTo(IpAddress destination) {
    try {
      return find(
          RouteMessages.lookUp(destination),
          "look up the route to " + destination,
          RouteMessages::decodeAny,
          Errno.ENETUNREACH,
          Errno.EHOSTUNREACH,
          Errno.EACCES);
    } catch (NetlinkException e) {
      // A blackhole reads EINVAL; a request the kernel does not understand comes with its words.
      if (e.errno() == Errno.EINVAL && e.kernelMessage().isEmpty()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /**
   * What the kernel does with a packet: where it sends one that came in by a link, or one of its
   * own. Forwarding that is switched off for IPv4, and source addresses that its checks refuse
   * (rp_filter), are errors here as they are for the packet; IPv6 does not tell.
   */
  public RouteAnswer look(RouteQuery query) {
    try {
      return find(
              RouteMessages.lookUp(query),
              "look up the route of " + query,
              RouteMessages::decodeAny)
          .map(RouteAnswer::of)
          .orElseGet(() -> RouteAnswer.refused(Errno.ENETUNREACH));
    } catch (NetlinkException e) {
      switch (e.errno()) {
        case Errno.ENETUNREACH, Errno.EHOSTUNREACH, Errno.EACCES, Errno.EXDEV, Errno.EINVAL -> {
          if (e.kernelMessage().isEmpty()) {
            return RouteAnswer.refused(e.errno());
          }
          throw e;
        }
        default -> throw e;
      }
    }
  }

  // ---- neighbours

  /** All IPv4 and IPv6 neighbours of all links. */
  public List<Neighbour> neighbours() {
    return list(NeighbourMessages.dump(), "list the neighbours", NeighbourMessages::decode);
  }

  /** Behind which of their ports bridges have seen which stations. */
  public List<ForwardingEntry> forwardingEntries() {
    return list(
        NeighbourMessages.dumpForwarding(),
        "list the forwarding entries of bridges",
        NeighbourMessages::decodeForwarding);
  }

  /**
   * Adds a neighbour.
   *
   * @throws NetlinkException EEXIST if the address is known on the link already
   */
  public void addNeighbour(Neighbour neighbour) {
    client.execute(NeighbourMessages.add(neighbour), "add " + text(neighbour));
  }

  /** Adds a neighbour, in place of what is known about the address on the link. */
  public void replaceNeighbour(Neighbour neighbour) {
    client.execute(NeighbourMessages.replace(neighbour), "replace " + text(neighbour));
  }

  /**
   * Forgets a neighbour.
   *
   * @throws NetlinkException ENOENT if it is not known
   */
  public void removeNeighbour(int linkIndex, IpAddress address) {
    client.execute(
        NeighbourMessages.remove(linkIndex, address),
        "remove neighbour " + address + " of link " + linkIndex);
  }

  @Override
  public void close() {
    client.close();
  }

  private <T> List<T> list(
      MessageWriter request, String operation, Function<MessageCursor, Optional<T>> decoder) {
    return client.dump(request, operation, () -> new Collector<>(decoder)).values();
  }

  /** The one answer to a GET; empty if the kernel answers with one of {@code absentErrnos}. */
  private <T> Optional<T> find(
      MessageWriter request,
      String operation,
      Function<MessageCursor, Optional<T>> decoder,
      int... absentErrnos) {
    Collector<T> found = new Collector<>(decoder);
    try {
      client.execute(request, operation, found);
    } catch (NetlinkException e) {
      for (int absent : absentErrnos) {
        if (e.errno() == absent) {
          return Optional.empty();
        }
      }
      throw e;
    }
    return found.values().stream().findFirst();
  }

  private Link created(String name, String operation) {
    // Only since Linux 6.2 does the kernel tell what it made (NLM_F_ECHO).
    return link(name)
        .orElseThrow(
            () ->
                new NetlinkException(
                    operation, Errno.ENODEV, null, null, NetlinkException.NO_INDEX));
  }

  private static InterfaceAddress own(
      int linkIndex, IpAddress address, int prefixLengthBits, int flags) {
    if (prefixLengthBits < 0 || prefixLengthBits > address.family().bits()) {
      throw new IllegalArgumentException(
          "the prefix length of "
              + address
              + " is in 0–"
              + address.family().bits()
              + ": prefixLengthBits="
              + prefixLengthBits);
    }
    // As ip(8) does; the kernel finds the scope of IPv6 addresses itself.
    boolean host = address.family() == Family.IPV4 && address.isLoopback();
    return new InterfaceAddress(
        linkIndex,
        address,
        prefixLengthBits,
        Optional.empty(),
        host ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
        flags);
  }

  private static String text(Neighbour neighbour) {
    return "neighbour "
        + neighbour.address()
        + neighbour.mac().map(mac -> " (" + mac + ")").orElse("")
        + " on link "
        + neighbour.linkIndex();
  }

  /** Refuses names that mean something else to the kernel; what else is wrong it says itself. */
  private static void checkName(String name) {
    if (name.isEmpty() || name.indexOf('%') >= 0 || name.indexOf('\0') >= 0) {
      throw new IllegalArgumentException(
          quote(name)
              + " cannot be the name of a link: the kernel would take it for a pattern or cut it");
    }
  }

  private static Optional<Integer> decodeNamespaceId(MessageCursor message) {
    AttributeCursor attribute = message.attributes(FixedHeaders.RTGENMSG_BYTES);
    while (attribute.next()) {
      if (attribute.type() == NETNSA_NSID && attribute.u32() != NETNSA_NSID_NOT_ASSIGNED) {
        return Optional.of(attribute.u32());
      }
    }
    return Optional.empty();
  }

  /** Collects what one dump, or one GET, tells. */
  private static final class Collector<T> implements MessageHandler {
    private final Function<MessageCursor, Optional<T>> decoder;
    private final List<T> values = new ArrayList<>();

    Collector(Function<MessageCursor, Optional<T>> decoder) {
      this.decoder = decoder;
    }

    @Override
    public void onMessage(MessageCursor message) {
      decoder.apply(message).ifPresent(values::add);
    }

    List<T> values() {
      return List.copyOf(values);
    }
  }
}
