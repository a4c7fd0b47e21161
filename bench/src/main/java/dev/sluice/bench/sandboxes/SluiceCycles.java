package dev.sluice.bench.sandboxes;

import dev.sluice.model.Egress;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.net.Prefix;
import dev.sluice.route.NamedNamespaces;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Cycles whose middle is Sluice's, with or without the API in between. */
final class SluiceCycles {
  private static final String NETWORK = "bench";
  private static final int FIRST_PORT = 20_000;
  private static final int PORTS = 40_000;

  /** How a hand asks for what is measured. */
  interface Hand {
    void join(SandboxRequest request);

    void leave(SandboxName name);
  }

  private final NamedNamespaces namespaces = NamedNamespaces.system();
  private int next;

  /** The network all of them are on; the others have the like. */
  static NetworkRequest network() {
    return new NetworkRequest(
        NETWORK,
        Optional.empty(),
        List.of(Subnet.of(Prefix.parse("10.77.0.0/16"))),
        false,
        OptionalInt.empty(),
        new Egress.Masquerade(),
        false,
        false,
        Owner.API);
  }

  /** Shares {@code count} cycles among the hands, each on a thread of its own. */
  List<Cycle> run(List<? extends Hand> hands, int count) throws IOException, InterruptedException {
    ExecutorService threads = Executors.newFixedThreadPool(hands.size());
    try {
      List<Future<List<Cycle>>> shares = new ArrayList<>();
      for (int i = 0; i < hands.size(); i++) {
        Hand hand = hands.get(i);
        int first = next;
        int share = count / hands.size() + (i < count % hands.size() ? 1 : 0);
        next += share;
        shares.add(threads.submit(() -> lives(hand, first, share)));
      }
      List<Cycle> all = new ArrayList<>();
      for (Future<List<Cycle>> share : shares) {
        all.addAll(share.get());
      }
      return all;
    } catch (ExecutionException e) {
      throw new IOException("a cycle failed: " + e.getCause(), e);
    } finally {
      threads.shutdown();
    }
  }

  private List<Cycle> lives(Hand hand, int first, int count) {
    List<Cycle> lives = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      lives.add(live(hand, first + i));
    }
    return lives;
  }

  private Cycle live(Hand hand, int number) {
    // Not what the tools call theirs: they may be at work at the same time, elsewhere.
    String namespace = Contender.NAMESPACES + "s" + number;
    SandboxName name = new SandboxName("s" + number);
    long start = System.nanoTime();
    namespaces.create(namespace).close();
    long made = System.nanoTime();
    hand.join(
        new SandboxRequest(
            name,
            "/run/netns/" + namespace,
            List.of(Attachment.to(NETWORK)),
            List.of(),
            List.of(),
            List.of(PortSpec.parse((FIRST_PORT + number % PORTS) + ":80")),
            MappingOptions.NONE,
            Owner.API));
    long joined = System.nanoTime();
    hand.leave(name);
    long left = System.nanoTime();
    namespaces.delete(namespace);
    return new Cycle(made - start, joined - made, left - joined, System.nanoTime() - left);
  }
}
