package dev.sluice.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A network namespace of the test's own, named {@code slt-<pid>-<n>-<role>}, with everything that
 * runs in it.
 *
 * <p>{@link #close} ends its processes and deletes it. What a killed JVM left behind is deleted by
 * the next one: the name says whose it was.
 *
 * <p>{@code ip netns exec} gives each program a mount namespace with its own {@code /sys}, where
 * {@code /sys/fs/cgroup} is missing.
 */
public final class Netns implements AutoCloseable {

  private static final Path DIRECTORY = Path.of("/run/netns");
  private static final Pattern NAME = Pattern.compile("slt-(\\d+)-\\d+-.*");
  private static final AtomicInteger COUNT = new AtomicInteger();
  private static final Set<Netns> OPEN = ConcurrentHashMap.newKeySet();

  static {
    deleteLeftovers();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  for (Netns netns : OPEN) {
                    netns.close();
                  }
                },
                "delete namespaces"));
  }

  private final String name;
  private final String role;
  private final List<AutoCloseable> running = new ArrayList<>();
  private @Nullable Traffic traffic;

  private Netns(String role) {
    this.role = role;
    this.name =
        "slt-%d-%d-%s".formatted(ProcessHandle.current().pid(), COUNT.incrementAndGet(), role);
  }

  /**
   * A new namespace with its loopback up and IPv6 addresses usable at once (no duplicate address
   * detection).
   */
  public static Netns create(String role) {
    Netns netns = claim(role);
    try {
      Ran.run("ip", "netns", "add", netns.name).orFail();
      netns.sysctl(QUICK_IPV6);
      netns.ip("link set lo up");
    } catch (RuntimeException | AssertionError e) {
      netns.close();
      throw e;
    }
    return netns;
  }

  /**
   * What makes IPv6 addresses usable the moment they are set, and leaves them to the test alone.
   */
  static final String[] QUICK_IPV6 = {
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.all.accept_ra=0",
    "net.ipv6.conf.default.accept_ra=0"
  };

  /** Reserves a name and its deletion; the caller creates the namespace itself. */
  static Netns claim(String role) {
    Netns netns = new Netns(role);
    OPEN.add(netns);
    return netns;
  }

  /** The name {@code ip netns} knows it by. */
  public String name() {
    return name;
  }

  /** What it plays in its laboratory: {@code host}, {@code client}, {@code c1}. */
  public String role() {
    return role;
  }

  /** The file to {@code setns(2)} to. */
  public Path path() {
    return DIRECTORY.resolve(name);
  }

  /** Runs a program in this namespace to its end. */
  public Ran exec(String... command) {
    return execWithInput("", command);
  }

  /** As {@link #exec}, with {@code stdin} on its standard input. */
  public Ran execWithInput(String stdin, String... command) {
    return Ran.run(stdin, inside(List.of(command)));
  }

  /**
   * Starts a program in this namespace that runs until it is stopped or the namespace is closed.
   */
  public Background start(String... command) {
    return start(List.of(command));
  }

  /** As {@link #start(String...)}. */
  public Background start(Collection<String> command) {
    try {
      Background background = Background.start(inside(command));
      running.add(background);
      return background;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start " + String.join(" ", command), e);
    }
  }

  /** Runs lines of {@code ip -batch} here; the first that fails is a failure and ends the rest. */
  public void ip(String... lines) {
    Ran.run(String.join("\n", lines) + "\n", List.of("ip", "-n", name, "-batch", "-")).orFail();
  }

  /** Sets kernel parameters here, each {@code name=value}. */
  public void sysctl(String... assignments) {
    List<String> command = new ArrayList<>(List.of("sysctl", "-qw"));
    command.addAll(List.of(assignments));
    Ran.run("", inside(command)).orFail();
  }

  /** The value of a kernel parameter here. */
  public String sysctlValue(String parameter) {
    return exec("sysctl", "-n", parameter).orFail().stdout().strip();
  }

  /** The hardware address of a device here. */
  public String mac(String device) {
    return exec("cat", "/sys/class/net/" + device + "/address").orFail().stdout().strip();
  }

  /** The traffic tool of this namespace, started when first asked for. */
  public synchronized Traffic traffic() {
    Traffic tool = traffic;
    if (tool == null) {
      tool = Traffic.start(inside(Traffic.COMMAND));
      running.add(tool);
      traffic = tool;
    }
    return tool;
  }

  /** Ends what runs here and deletes the namespace; does nothing the second time. */
  @Override
  public void close() {
    if (!OPEN.remove(this)) {
      return;
    }
    for (AutoCloseable process : running) {
      try {
        process.close();
      } catch (Exception e) {
        throw new IllegalStateException("cannot end " + process + " in " + name, e);
      }
    }
    delete(name);
  }

  @Override
  public String toString() {
    return name;
  }

  private List<String> inside(Collection<String> command) {
    List<String> all = new ArrayList<>(List.of("ip", "netns", "exec", name));
    all.addAll(command);
    return all;
  }

  private static void delete(String name) {
    if (!Files.exists(DIRECTORY.resolve(name))) {
      return;
    }
    long self = ProcessHandle.current().pid();
    // Whoever is in a namespace of ours was started by us, perhaps by a program that has ended
    // since.
    List<ProcessHandle> inside =
        Ran.run("ip", "netns", "pids", name)
            .stdout()
            .lines()
            .map(Long::parseLong)
            .filter(pid -> pid != self)
            .flatMap(pid -> ProcessHandle.of(pid).stream())
            .toList();
    inside.forEach(ProcessHandle::destroyForcibly);
    for (ProcessHandle process : inside) {
      process.onExit().orTimeout(5, TimeUnit.SECONDS).join();
    }
    Ran.run("ip", "netns", "del", name).orFail();
  }

  private static void deleteLeftovers() {
    if (!Files.isDirectory(DIRECTORY)) {
      return;
    }
    try (Stream<Path> all = Files.list(DIRECTORY)) {
      for (Path path : all.toList()) {
        String name = path.getFileName().toString();
        Matcher matcher = NAME.matcher(name);
        if (matcher.matches() && ProcessHandle.of(Long.parseLong(matcher.group(1))).isEmpty()) {
          delete(name);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + DIRECTORY, e);
    }
  }
}
