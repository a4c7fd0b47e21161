package dev.sluice.network.names;

import dev.sluice.net.IpAddress;
import dev.sluice.network.names.QuietLog.Trouble;
import java.io.IOException;
import java.net.BindException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.xbill.DNS.Message;
import org.xbill.DNS.Rcode;

/**
 * Answers queries for names at the gateways of networks, over UDP and TCP, on one thread that never
 * waits for anybody.
 *
 * <p>What it holds is bounded: {@value Forwarder#MAX_OUTSTANDING} queries that wait for the host's
 * resolvers, {@value Forwarder#MAX_OUTSTANDING_PER_SOURCE} of one asker; {@value
 * #MAX_CONVERSATIONS} connections, {@value #MAX_CONVERSATIONS_PER_SOURCE} of one asker, which end
 * when they are idle. Errors never end the thread; they are logged, each kind at most once a
 * minute.
 *
 * <p>Thread-safe.
 */
public final class Responder implements AutoCloseable {
  /** Connections at a time. */
  static final int MAX_CONVERSATIONS = 128;

  /** Connections at a time from one address. */
  static final int MAX_CONVERSATIONS_PER_SOURCE = 8;

  private static final int DNS_PORT = 53;
  private static final int DATAGRAMS_PER_TURN = 64;
  private static final int ACCEPTS_PER_TURN = 16;
  private static final int FREE_PORT_TRIES = 16;
  private static final long LONGEST_SLEEP_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long STOP_SECONDS = 10;

  /**
   * How patient it is.
   *
   * @param tryMillis how long one resolver may take for an answer
   * @param idleMillis how long a connection lasts on which nothing is asked or answered
   */
  record Patience(long tryMillis, long idleMillis) {
    static final Patience USUAL = new Patience(2_000, 10_000);
  }

  private final NameSource names;
  private final long idleNanos;
  private final Selector selector;
  private final Forwarder forwarder;
  private final Counters counters = new Counters();
  private final QuietLog log = new QuietLog();
  private final Thread thread;
  private final Map<InetAddress, Listener> listeners = new ConcurrentHashMap<>();
  private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private volatile boolean closing;

  // The thread's own.
  private final ByteBuffer datagram = ByteBuffer.allocateDirect(Query.MAX_QUERY_BYTES + 1);
  private final Conversations conversations = new Conversations();
  private final List<Acceptor> paused = new ArrayList<>();
  private long pausedUntilNanos;

  /**
   * Starts the thread. Queries that are forwarded leave from the network namespace of the thread
   * that calls this.
   *
   * @param names asked for each query, on the responder's thread
   * @param resolvers where names are asked for that nobody here has, asked for each such query; a
   *     responder's own addresses among them are left out, or it would ask itself
   * @throws IOException if the kernel has no descriptor to spare
   */
  public Responder(NameSource names, Supplier<List<InetSocketAddress>> resolvers)
      throws IOException {
    this(names, resolvers, Patience.USUAL);
  }

  Responder(NameSource names, Supplier<List<InetSocketAddress>> resolvers, Patience patience)
      throws IOException {
    this.names = names;
    this.idleNanos = TimeUnit.MILLISECONDS.toNanos(patience.idleMillis());
    this.selector = Selector.open();
    this.forwarder =
        new Forwarder(
            selector,
            () -> others(resolvers.get()),
            TimeUnit.MILLISECONDS.toNanos(patience.tryMillis()),
            counters,
            log);
    this.thread = new Thread(this::run, "sluice-names");
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Listens on an address, over UDP and TCP at the same port. The sockets are opened on the calling
   * thread and belong to its network namespace. Listening already, it says where.
   *
   * @param gateway an address of this host
   * @param preferredPort taken if it is free for both
   * @return the port
   * @throws IOException if the address is not the host's, or there is no free port
   */
  public synchronized int listen(InetAddress gateway, OptionalInt preferredPort)
      throws IOException {
    if (closing) {
      throw new IllegalStateException("the responder for names is closed");
    }
    Listener present = listeners.get(gateway);
    if (present != null) {
      return present.port;
    }
    Listener listener = bind(gateway, preferredPort);
    listeners.put(gateway, listener);
    perform(listener::register);
    return listener.port;
  }

  /**
   * Stops listening on an address. When this returns the port is free, and connections through it
   * are closed. Does nothing if it is not listened on.
   */
  public synchronized void stop(InetAddress gateway) {
    Listener listener = listeners.remove(gateway);
    if (listener == null || closing) {
      return;
    }
    CompletableFuture<Void> closed = new CompletableFuture<>();
    perform(
        () -> {
          listener.close();
          closed.complete(null);
        });
    try {
      closed.get(STOP_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      throw new IllegalStateException("the responder's thread does not answer", e);
    }
  }

  /** What it has done since it was made. */
  public ResponderStatistics statistics() {
    return counters.read();
  }

  /** Stops listening everywhere and ends the thread. Queries under way stay without an answer. */
  @Override
  public void close() {
    synchronized (this) {
      closing = true;
    }
    selector.wakeup();
    try {
      thread.join(TimeUnit.SECONDS.toMillis(STOP_SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void perform(Runnable task) {
    tasks.add(task);
    selector.wakeup();
  }

  private List<InetSocketAddress> others(List<InetSocketAddress> resolvers) {
    return resolvers.stream().filter(resolver -> !isOurs(resolver)).toList();
  }

  /** Port 53 of an address that is listened on leads here as well. */
  private boolean isOurs(InetSocketAddress resolver) {
    Listener listener = listeners.get(resolver.getAddress());
    return listener != null
        && (resolver.getPort() == listener.port || resolver.getPort() == DNS_PORT);
  }

  private Listener bind(InetAddress gateway, OptionalInt preferredPort) throws IOException {
    if (preferredPort.isPresent()) {
      try {
        return new Listener(gateway, preferredPort.getAsInt());
      } catch (BindException e) {
        // Taken; or the address is not ours, which the next try says as well.
      }
    }
    for (int i = 1; ; i++) {
      try {
        return new Listener(gateway, 0);
      } catch (BindException e) {
        if (i == FREE_PORT_TRIES) {
          throw new IOException(
              "cannot listen for queries on " + gateway.getHostAddress() + ": " + e.getMessage(),
              e);
        }
      }
    }
  }

  private void run() {
    while (!closing) {
      try {
        turn();
      } catch (IOException | RuntimeException | Error e) {
        // Whatever it is, names are answered as long as the agent lives.
        recover(e);
      }
    }
    listeners.values().forEach(Listener::close);
    conversations.close(any -> true);
    forwarder.close();
    try {
      selector.close();
    } catch (IOException e) {
      log.tell(Trouble.SOCKET, e);
    }
  }

  private void recover(Throwable trouble) {
    try {
      log.tell(Trouble.DEFECT, trouble);
      Thread.sleep(TimeUnit.MILLISECONDS.convert(PAUSE_NANOS / 10, TimeUnit.NANOSECONDS));
    } catch (InterruptedException e) {
      // Nobody interrupts this thread to any end.
      log.tell(Trouble.DEFECT, e);
    }
  }

  private void turn() throws IOException {
    long now = System.nanoTime();
    long sleepNanos = forwarder.nanosToExpiry(now, LONGEST_SLEEP_NANOS);
    sleepNanos = conversations.nanosToExpiry(now, sleepNanos);
    if (!paused.isEmpty()) {
      sleepNanos = Math.min(sleepNanos, pausedUntilNanos - now);
    }
    if (sleepNanos <= 0) {
      selector.selectNow();
    } else {
      selector.select(TimeUnit.NANOSECONDS.toMillis(sleepNanos) + 1);
    }
    for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
      task.run();
    }
    Set<SelectionKey> selected = selector.selectedKeys();
    List<SelectionKey> ready = new ArrayList<>(selected);
    selected.clear();
    for (SelectionKey key : ready) {
      // Closed by one before it, perhaps.
      if (key.isValid()) {
        Ready what = (Ready) key.attachment();
        try {
          what.ready();
        } catch (IOException e) {
          what.giveUp(e);
        } catch (RuntimeException e) {
          log.tell(Trouble.DEFECT, e);
          what.giveUp(e);
        }
      }
    }
    now = System.nanoTime();
    forwarder.expire(now);
    conversations.expire(now);
    if (!paused.isEmpty() && pausedUntilNanos - now <= 0) {
      paused.forEach(Acceptor::resume);
      paused.clear();
    }
  }

  /** Whether somebody has answered, or will; otherwise the query is dropped. */
  private boolean handle(byte[] wire, Asker asker) {
    counters.queries.increment();
    try {
      Optional<View> view = names.viewOf(asker.address(), asker.gateway());
      if (view.isPresent()) {
        Query.Received received = Query.read(wire);
        if (received instanceof Query.Understood understood) {
          handle(understood.query(), asker, view.get());
          return true;
        }
        if (received instanceof Query.Faulty faulty) {
          counters.answered.increment();
          asker.tell(faulty.answer().toWire(Query.MIN_DATAGRAM_BYTES));
          return true;
        }
      }
    } catch (RuntimeException e) {
      log.tell(Trouble.DEFECT, e);
      counters.failed.increment();
      if (Query.read(wire) instanceof Query.Understood understood) {
        Query query = understood.query();
        asker.tell(query.encode(query.answer(Rcode.SERVFAIL), asker.overTcp()));
        return true;
      }
      return false;
    }
    counters.dropped.increment();
    return false;
  }

  private void handle(Query query, Asker asker, View view) {
    Optional<Message> answer = Answers.to(query, view);
    if (answer.isPresent()) {
      byte[] message = query.encode(answer.get(), asker.overTcp());
      counters.answered.increment();
      asker.tell(message);
    } else {
      forwarder.forward(query, asker);
    }
  }

  private static IpAddress address(InetSocketAddress from) {
    return IpAddress.fromBytes(from.getAddress().getAddress());
  }

  /** The two sockets of one gateway. */
  private final class Listener {
    private final IpAddress gateway;
    private final int port;
    private final DatagramChannel datagrams;
    private final ServerSocketChannel connections;

    Listener(InetAddress address, int wantedPort) throws IOException {
      gateway = IpAddress.fromBytes(address.getAddress());
      ProtocolFamily family =
          address instanceof Inet4Address
              ? StandardProtocolFamily.INET
              : StandardProtocolFamily.INET6;
      connections = ServerSocketChannel.open(family);
      try {
        datagrams = DatagramChannel.open(family);
      } catch (IOException e) {
        connections.close();
        throw e;
      }
      try {
        connections.configureBlocking(false);
        connections.bind(new InetSocketAddress(address, wantedPort));
        port = ((InetSocketAddress) connections.getLocalAddress()).getPort();
        datagrams.configureBlocking(false);
        datagrams.bind(new InetSocketAddress(address, port));
      } catch (IOException | RuntimeException e) {
        connections.close();
        datagrams.close();
        throw e;
      }
    }

    void register() {
      try {
        datagrams.register(selector, SelectionKey.OP_READ, new Datagrams(datagrams, gateway));
        Acceptor acceptor = new Acceptor(this);
        acceptor.key = connections.register(selector, SelectionKey.OP_ACCEPT, acceptor);
      } catch (IOException e) {
        // They are open and were never registered; only a defect can be the reason.
        log.tell(Trouble.DEFECT, e);
      }
    }

    void close() {
      conversations.close(through -> through == this);
      try {
        datagrams.close();
        connections.close();
        // A channel that a selector knows is closed in its next round.
        selector.selectNow();
      } catch (IOException e) {
        log.tell(Trouble.SOCKET, e);
      }
    }
  }

  /** Queries that come over UDP. */
  private final class Datagrams implements Ready {
    private final DatagramChannel channel;
    private final IpAddress gateway;

    Datagrams(DatagramChannel channel, IpAddress gateway) {
      this.channel = channel;
      this.gateway = gateway;
    }

    @Override
    public void ready() throws IOException {
      for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        datagram.clear();
        InetSocketAddress from = (InetSocketAddress) channel.receive(datagram);
        if (from == null) {
          return;
        }
        byte[] wire = new byte[datagram.flip().remaining()];
        datagram.get(wire);
        handle(wire, new DatagramAsker(channel, from, address(from), gateway));
      }
    }

    @Override
    public void giveUp(Exception cause) {
      log.tell(Trouble.SOCKET, cause);
    }
  }

  private final class DatagramAsker implements Asker {
    private final DatagramChannel channel;
    private final InetSocketAddress from;
    private final IpAddress address;
    private final IpAddress gateway;

    DatagramAsker(
        DatagramChannel channel, InetSocketAddress from, IpAddress address, IpAddress gateway) {
      this.channel = channel;
      this.from = from;
      this.address = address;
      this.gateway = gateway;
    }

    @Override
    public IpAddress address() {
      return address;
    }

    @Override
    public IpAddress gateway() {
      return gateway;
    }

    @Override
    public boolean overTcp() {
      return false;
    }

    @Override
    public void tell(byte[] message) {
      if (!channel.isOpen()) {
        return;
      }
      try {
        // If the socket's buffer is full the answer is lost, as it may be on its way.
        channel.send(ByteBuffer.wrap(message), from);
      } catch (IOException e) {
        log.tell(Trouble.SOCKET, "to " + from + ": " + e);
      }
    }
  }

  /** Connections that come. */
  private final class Acceptor implements Ready {
    private final Listener listener;
    private @Nullable SelectionKey key;

    Acceptor(Listener listener) {
      this.listener = listener;
    }

    @Override
    public void ready() throws IOException {
      for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        SocketChannel channel = listener.connections.accept();
        if (channel == null) {
          return;
        }
        try {
          conversations.begin(channel, listener);
        } catch (IOException e) {
          log.tell(Trouble.SOCKET, e);
          channel.close();
        }
      }
    }

    /** Without descriptors the connection that waits would be told of again and again. */
    @Override
    public void giveUp(Exception cause) {
      log.tell(Trouble.SOCKET, cause);
      if (key != null && key.isValid()) {
        key.interestOps(0);
        paused.add(this);
        pausedUntilNanos = System.nanoTime() + PAUSE_NANOS;
      }
    }

    void resume() {
      if (key != null && key.isValid()) {
        key.interestOps(SelectionKey.OP_ACCEPT);
      }
    }
  }

  /** The connections there are, those longest without a message first. */
  private final class Conversations implements Conversation.Host {
    private final Map<Conversation, Listener> all = new LinkedHashMap<>();
    private final Map<IpAddress, Integer> perSource = new HashMap<>();

    void begin(SocketChannel channel, Listener through) throws IOException {
      IpAddress source = address((InetSocketAddress) channel.getRemoteAddress());
      if (all.size() >= MAX_CONVERSATIONS
          || perSource.getOrDefault(source, 0) >= MAX_CONVERSATIONS_PER_SOURCE
          || !isKnown(source, through.gateway)) {
        channel.close();
        return;
      }
      channel.configureBlocking(false);
      SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
      Conversation conversation =
          new Conversation(source, through.gateway, channel, key, this, log);
      key.attach(conversation);
      perSource.merge(source, 1, Integer::sum);
      all.put(conversation, through);
      conversation.deadlineNanos = System.nanoTime() + idleNanos;
    }

    private boolean isKnown(IpAddress source, IpAddress gateway) {
      try {
        return names.viewOf(source, gateway).isPresent();
      } catch (RuntimeException e) {
        log.tell(Trouble.DEFECT, e);
        return false;
      }
    }

    @Override
    public void received(byte[] query, Conversation from) {
      if (!handle(query, from)) {
        from.dropped();
      }
    }

    @Override
    public void active(Conversation conversation) {
      Listener through = all.remove(conversation);
      if (through != null) {
        all.put(conversation, through);
        conversation.deadlineNanos = System.nanoTime() + idleNanos;
      }
    }

    @Override
    public void ended(Conversation conversation) {
      if (all.remove(conversation) != null) {
        perSource.computeIfPresent(
            conversation.address(), (source, count) -> count == 1 ? null : count - 1);
      }
    }

    void expire(long nowNanos) {
      while (!all.isEmpty()) {
        Conversation quietest = all.keySet().iterator().next();
        if (quietest.deadlineNanos - nowNanos > 0) {
          return;
        }
        quietest.close();
      }
    }

    long nanosToExpiry(long nowNanos, long maxNanos) {
      return all.isEmpty()
          ? maxNanos
          : Math.min(maxNanos, all.keySet().iterator().next().deadlineNanos - nowNanos);
    }

    void close(Predicate<Listener> through) {
      for (Map.Entry<Conversation, Listener> entry : new ArrayList<>(all.entrySet())) {
        if (through.test(entry.getValue())) {
          entry.getKey().close();
        }
      }
    }
  }
}
