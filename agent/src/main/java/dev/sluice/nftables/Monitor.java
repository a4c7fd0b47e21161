package dev.sluice.nftables;

import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.RulesetEvent.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Follows what anybody does to the ruleset of a network namespace, as {@code nft monitor} does. The
 * kernel sends the events of a transaction when it is committed, followed by {@link
 * RulesetEvent.Committed}.
 *
 * <p>Not thread-safe, except for {@link #await} and {@link #wake}.
 */
public final class Monitor implements AutoCloseable {
  /** sizeof(struct nfgenmsg). */
  private static final int HEADER_BYTES = 4;

  private static final int DATAGRAM_BYTES = 64 << 10;

  /** A transaction of 60,000 elements is some MiB of events, all sent at once. */
  private static final int RECEIVE_BUFFER_BYTES = 16 << 20;

  private final NetlinkSocket socket;
  private final NativeBuffer datagram = NativeBuffer.allocate(DATAGRAM_BYTES);
  private final MessageWriter request = new MessageWriter(64);
  // Port 0 is the kernel, which does nothing of its own accord.
  private int ignoredPort;

  private Monitor(NetlinkSocket socket, int receiveBufferBytes) {
    this.socket = socket;
    socket.receiveBuffer(receiveBufferBytes);
    socket.joinGroup(LinuxNetlink.NFNLGRP_NFTABLES);
  }

  /** Follows the calling thread's network namespace, from now on. */
  public static Monitor open() {
    return new Monitor(NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER), RECEIVE_BUFFER_BYTES);
  }

  public static Monitor open(NetworkNamespace namespace) {
    return open(namespace, RECEIVE_BUFFER_BYTES);
  }

  /**
   * As {@link #open(NetworkNamespace)}.
   *
   * @param receiveBufferBytes what events that wait may take up in the kernel, which doubles it
   */
  public static Monitor open(NetworkNamespace namespace, int receiveBufferBytes) {
    return new Monitor(
        NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER, namespace), receiveBufferBytes);
  }

  /**
   * Leaves out what the client with this netlink port does, undecoded.
   *
   * @param portId {@link Nftables#portId}
   */
  public void ignore(int portId) {
    ignoredPort = portId;
  }

  /**
   * Waits until {@link #poll} would have something to look at, or somebody calls {@link #wake}.
   * Another thread may poll meanwhile.
   *
   * @param timeoutMillis negative: for ever
   * @return false if nothing came in time
   */
  public boolean await(int timeoutMillis) {
    return socket.awaitReadable(timeoutMillis);
  }

  /** Ends an {@link #await} of another thread. */
  public void wake() {
    // Whatever the kernel answers makes the socket readable; the answer itself is not an event.
    request
        .reset()
        .begin(LinuxNetlink.NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_REQUEST, 0)
        .u8(NFPROTO_UNSPEC)
        .u8(0)
        .u16be(0)
        .end();
    socket.send(request.address(), request.length(), "wake the monitor");
  }

  /**
   * Waits for events and hands them over in their order.
   *
   * @param timeoutMillis how long to wait for the first; 0: not at all; negative: for ever
   * @return whether there was anything, of which all may have been left out
   */
  public boolean poll(int timeoutMillis, Consumer<RulesetEvent> consumer) {
    int length = socket.receive(datagram, timeoutMillis);
    if (length == NetlinkTransport.NOTHING) {
      return false;
    }
    if (length == NetlinkTransport.OVERRUN) {
      consumer.accept(new RulesetEvent.Lost());
      return true;
    }
    MessageCursor message = new MessageCursor(datagram.bytes(), 0, length);
    while (message.next()) {
      int cause = message.portId();
      // An answer carries the port of its receiver.
      if (cause != socket.portId() && (ignoredPort == 0 || cause != ignoredPort)) {
        consumer.accept(decode(message));
      }
    }
    return true;
  }

  static RulesetEvent decode(MessageCursor message) {
    if (message.subsystem() != LinuxNetlink.NFNL_SUBSYS_NFTABLES) {
      return new RulesetEvent.Other(message.type());
    }
    int family = message.headerU8(0);
    AttributeCursor in = message.attributes(HEADER_BYTES);
    return switch (message.subtype()) {
      case NFT_MSG_NEWTABLE -> new RulesetEvent.OfTable(Kind.ADDED, Table.decode(family, in));
      case NFT_MSG_DELTABLE -> new RulesetEvent.OfTable(Kind.DELETED, Table.decode(family, in));
      case NFT_MSG_NEWCHAIN -> new RulesetEvent.OfChain(Kind.ADDED, Chain.decode(family, in));
      case NFT_MSG_DELCHAIN -> new RulesetEvent.OfChain(Kind.DELETED, Chain.decode(family, in));
      case NFT_MSG_NEWRULE -> new RulesetEvent.OfRule(Kind.ADDED, Rule.decode(family, in));
      case NFT_MSG_DELRULE -> new RulesetEvent.OfRule(Kind.DELETED, Rule.decode(family, in));
      case NFT_MSG_NEWSET -> new RulesetEvent.OfSet(Kind.ADDED, ElementSet.decode(family, in));
      case NFT_MSG_DELSET -> new RulesetEvent.OfSet(Kind.DELETED, ElementSet.decode(family, in));
      case NFT_MSG_NEWSETELEM -> elements(Kind.ADDED, family, in);
      case NFT_MSG_DELSETELEM -> elements(Kind.DELETED, family, in);
      case NFT_MSG_NEWGEN -> committed(in);
      default -> new RulesetEvent.Other(message.type());
    };
  }

  private static RulesetEvent elements(Kind kind, int family, AttributeCursor in) {
    String table = "";
    String set = "";
    List<SetElement> elements = new ArrayList<>();
    while (in.next()) {
      switch (in.type()) {
        case NFTA_SET_ELEM_LIST_TABLE -> table = in.string();
        case NFTA_SET_ELEM_LIST_SET -> set = in.string();
        case NFTA_SET_ELEM_LIST_ELEMENTS -> {
          AttributeCursor list = in.nested();
          while (list.next()) {
            elements.add(SetElement.decode(list.nested()));
          }
        }
        default -> {}
      }
    }
    return new RulesetEvent.OfElements(kind, new TableId(family, table), set, elements);
  }

  private static RulesetEvent committed(AttributeCursor in) {
    int generation = 0;
    int processId = 0;
    String processName = "";
    while (in.next()) {
      switch (in.type()) {
        case NFTA_GEN_ID -> generation = in.u32be();
        case NFTA_GEN_PROC_PID -> processId = in.u32be();
        case NFTA_GEN_PROC_NAME -> processName = in.string();
        default -> {}
      }
    }
    return new RulesetEvent.Committed(generation, processId, processName);
  }

  @Override
  public void close() {
    socket.close();
  }
}
