package dev.sluice.network.names;

import dev.sluice.net.IpAddress;
import dev.sluice.network.names.QuietLog.Trouble;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Rcode;

/**
 * Hands queries on to the resolvers of the host, as they are except for their id, and brings the
 * answers back. For one thread, whose selector it uses.
 *
 * <p>Each try has a socket of its own, so that its port is the kernel's random choice, and an id of
 * its own; the socket is connected, so that the kernel drops what comes from elsewhere (RFC 5452
 * section 9). What does not match is ignored. A resolver that is silent for the time of a try, has
 * no time or is not there is followed by the next one.
 */
final class Forwarder {
  /** Queries that wait for resolvers at a time; each has a socket. */
  static final int MAX_OUTSTANDING = 1_000;

  /** Of these, those of one asker. */
  static final int MAX_OUTSTANDING_PER_SOURCE = 100;

  /** How often a query is sent before it has failed. */
  static final int TRIES = 3;

  /** Datagrams read at a time: one is the rule, more are forgeries. */
  private static final int DATAGRAMS_PER_TURN = 16;

  private static final int LENGTH_BYTES = 2;

  private final Selector selector;
  private final Supplier<List<InetSocketAddress>> resolvers;
  private final long tryNanos;
  private final Counters counters;
  private final QuietLog log;
  private final SecureRandom random = new SecureRandom();
  private final ByteBuffer datagram = ByteBuffer.allocateDirect(Query.MAX_MESSAGE_BYTES);

  /** In the order of their deadlines, as all tries may take the same time. */
  private final Set<Exchange> outstanding = new LinkedHashSet<>();

  private final Map<IpAddress, Integer> perSource = new HashMap<>();

  Forwarder(
      Selector selector,
      Supplier<List<InetSocketAddress>> resolvers,
      long tryNanos,
      Counters counters,
      QuietLog log) {
    this.selector = selector;
    this.resolvers = resolvers;
    this.tryNanos = tryNanos;
    this.counters = counters;
    this.log = log;
  }

  /** Asks the host's resolvers. The asker gets an answer in any case, now or later. */
  void forward(Query query, Asker asker) {
    if (outstanding.size() >= MAX_OUTSTANDING
        || perSource.getOrDefault(asker.address(), 0) >= MAX_OUTSTANDING_PER_SOURCE) {
      log.tell(Trouble.CROWDED, "the last one came from " + asker.address());
      fail(query, asker);
      return;
    }
    List<InetSocketAddress> servers = resolvers.get();
    if (servers.isEmpty()) {
      log.tell(Trouble.UNANSWERED, "it has none");
      fail(query, asker);
      return;
    }
    counters.forwarded.increment();
    perSource.merge(asker.address(), 1, Integer::sum);
    new Exchange(query, asker, servers).tryNext();
  }

  /** Ends tries that have taken too long. */
  void expire(long nowNanos) {
    while (!outstanding.isEmpty()) {
      Exchange oldest = outstanding.iterator().next();
      if (oldest.deadlineNanos - nowNanos > 0) {
        return;
      }
      oldest.tryNext();
    }
  }

  /** How long nothing expires, at most {@code maxNanos}. */
  long nanosToExpiry(long nowNanos, long maxNanos) {
    return outstanding.isEmpty()
        ? maxNanos
        : Math.min(maxNanos, outstanding.iterator().next().deadlineNanos - nowNanos);
  }

  /** Forgets all, without an answer. */
  void close() {
    for (Exchange exchange : new ArrayList<>(outstanding)) {
      exchange.end();
    }
  }

  private void fail(Query query, Asker asker) {
    counters.failed.increment();
    Message answer = query.answer(Rcode.SERVFAIL);
    answer.getHeader().setFlag(Flags.RA);
    asker.tell(query.encode(answer, asker.overTcp()));
  }

  private static ProtocolFamily family(InetSocketAddress address) {
    return address.getAddress() instanceof Inet4Address
        ? StandardProtocolFamily.INET
        : StandardProtocolFamily.INET6;
  }

  /** One query and all tries to have it answered. */
  private final class Exchange {
    private final Query query;
    private final Asker asker;
    private final List<InetSocketAddress> servers;
    private int tries;
    private long deadlineNanos;
    private @Nullable Attempt attempt;

    Exchange(Query query, Asker asker, List<InetSocketAddress> servers) {
      this.query = query;
      this.asker = asker;
      this.servers = servers;
    }

    void tryNext() {
      hangUp();
      outstanding.remove(this);
      while (tries < TRIES) {
        InetSocketAddress server = servers.get(tries++ % servers.size());
        try {
          attempt = asker.overTcp() ? new TcpAttempt(this, server) : new UdpAttempt(this, server);
          attempt.start();
          deadlineNanos = System.nanoTime() + tryNanos;
          outstanding.add(this);
          return;
        } catch (IOException | RuntimeException e) {
          // Unchecked ones say that the resolver's address is of no use: unresolved, or not ours.
          log.tell(Trouble.RESOLVER, server + ": " + e);
          hangUp();
        }
      }
      end();
      log.tell(Trouble.UNANSWERED, "asked were " + servers);
      fail(query, asker);
    }

    /** Takes a message from a resolver; whether it was the answer. */
    boolean take(byte[] answer, int id) {
      if (!query.isAnsweredBy(answer, id)) {
        return false;
      }
      boolean refused =
          switch (Query.rcodeOf(answer)) {
            case Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED -> true;
            default -> false;
          };
      if (refused && tries < Math.min(TRIES, servers.size())) {
        tryNext();
      } else {
        end();
        asker.tell(query.relayed(answer, asker.overTcp()));
      }
      return true;
    }

    void end() {
      hangUp();
      outstanding.remove(this);
      perSource.computeIfPresent(asker.address(), (source, count) -> count == 1 ? null : count - 1);
    }

    private void hangUp() {
      Attempt current = attempt;
      attempt = null;
      if (current != null) {
        current.close();
      }
    }
  }

  /** One try: a question to one resolver, and a socket for its answer. */
  private abstract class Attempt implements Ready {
    final Exchange exchange;
    final InetSocketAddress server;
    final int id = random.nextInt(1 << 16);

    Attempt(Exchange exchange, InetSocketAddress server) {
      this.exchange = exchange;
      this.server = server;
    }

    abstract SelectableChannel channel();

    abstract void start() throws IOException;

    void close() {
      try {
        channel().close();
      } catch (IOException e) {
        log.tell(Trouble.RESOLVER, e);
      }
    }

    @Override
    public final void giveUp(Exception cause) {
      if (exchange.attempt == this) {
        log.tell(Trouble.RESOLVER, server + ": " + cause);
        exchange.tryNext();
      }
    }
  }

  private final class UdpAttempt extends Attempt {
    private final DatagramChannel channel;

    UdpAttempt(Exchange exchange, InetSocketAddress server) throws IOException {
      super(exchange, server);
      channel = DatagramChannel.open(family(server));
    }

    @Override
    SelectableChannel channel() {
      return channel;
    }

    @Override
    void start() throws IOException {
      channel.configureBlocking(false);
      channel.connect(server);
      channel.register(selector, SelectionKey.OP_READ, this);
      // If the socket's buffer is full the datagram is lost, as it may be on its way.
      channel.write(ByteBuffer.wrap(exchange.query.withId(id)));
    }

    @Override
    public void ready() throws IOException {
      for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        datagram.clear();
        if (channel.read(datagram) <= 0) {
          return;
        }
        byte[] answer = new byte[datagram.flip().remaining()];
        datagram.get(answer);
        if (exchange.take(answer, id)) {
          return;
        }
      }
    }
  }

  /** With a length of two bytes before each message (RFC 1035 section 4.2.2). */
  private final class TcpAttempt extends Attempt {
    private final SocketChannel channel;
    private final ByteBuffer question;
    private ByteBuffer incoming = ByteBuffer.allocate(LENGTH_BYTES);
    private boolean lengthKnown;

    TcpAttempt(Exchange exchange, InetSocketAddress server) throws IOException {
      super(exchange, server);
      byte[] message = exchange.query.withId(id);
      question =
          ByteBuffer.allocate(LENGTH_BYTES + message.length)
              .putShort((short) message.length)
              .put(message)
              .flip();
      channel = SocketChannel.open(family(server));
    }

    @Override
    SelectableChannel channel() {
      return channel;
    }

    @Override
    void start() throws IOException {
      channel.configureBlocking(false);
      boolean connected = channel.connect(server);
      channel.register(selector, connected ? SelectionKey.OP_WRITE : SelectionKey.OP_CONNECT, this);
    }

    @Override
    public void ready() throws IOException {
      if (!channel.isConnected() && !channel.finishConnect()) {
        return;
      }
      if (question.hasRemaining()) {
        channel.write(question);
        interest(question.hasRemaining() ? SelectionKey.OP_WRITE : SelectionKey.OP_READ);
        return;
      }
      if (channel.read(incoming) < 0) {
        throw new IOException("the connection ended before the answer did");
      }
      if (incoming.hasRemaining()) {
        return;
      }
      if (!lengthKnown) {
        incoming = ByteBuffer.allocate(incoming.getShort(0) & 0xffff);
        lengthKnown = true;
        return;
      }
      if (!exchange.take(incoming.array(), id)) {
        throw new IOException("the answer belongs to another question");
      }
    }

    private void interest(int operations) {
      SelectionKey key = channel.keyFor(selector);
      if (key != null) {
        key.interestOps(operations);
      }
    }
  }
}
