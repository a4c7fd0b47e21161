package dev.sluice.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A real Docker engine in a namespace of the laboratory, with its own containerd, storage and
 * sockets, and one image, {@value #IMAGE}: busybox whose httpd answers {@code hello} on port 80.
 *
 * <p>It lives in a process namespace and a mount namespace of its own, which outlive the daemon:
 * {@link #kill} and {@link #start(String...)} are a crash and a restart on the same host, and
 * {@link #close} ends containers, shims, containerd and mounts in one stroke. Its {@code /run} is
 * its own too; what it finds there as {@code /run/docker/plugins} is {@link #plugins}.
 *
 * <p>{@code docker} is {@code /usr/bin/docker}, the command line that Debian packages with the
 * engine.
 */
public final class DockerEngine implements AutoCloseable {

  /** The only image: {@code httpd} on port 80, which it exposes. */
  public static final String IMAGE = "bb:1";

  /** What takeover mode asks of the engine. */
  public static final List<String> WITHOUT_RULES =
      List.of("--iptables=false", "--ip6tables=false", "--userland-proxy=false");

  private static final String INSTALL =
      "install it with: apt-get install -y docker.io containerd busybox-static";
  private static final Path DOCKERD = Path.of("/usr/sbin/dockerd");
  private static final Path DOCKER = Path.of("/usr/bin/docker");
  private static final Path BUSYBOX = Path.of("/bin/busybox");
  private static final List<String> APPLETS =
      List.of("cat", "httpd", "ip", "ls", "nc", "nslookup", "ping", "sh", "sleep", "wget");

  private static final Duration LIMIT = Duration.ofSeconds(30);
  private static final int STEP_MILLIS = 10;

  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final Path DIRECTORIES = Path.of("/tmp");
  private static final Pattern DIRECTORY = Pattern.compile("slt-(\\d+)-\\d+-[^.]*\\.docker");
  private static final Set<DockerEngine> OPEN = ConcurrentHashMap.newKeySet();

  static {
    deleteLeftovers();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(() -> OPEN.forEach(DockerEngine::close), "close Docker engines"));
  }

  private final String name;
  private final Path directory;
  private final Map<String, Traffic> traffic = new HashMap<>();
  private @Nullable Background anchor;
  private long anchorPid;
  private @Nullable Background daemon;

  private DockerEngine(Netns host) {
    this.name = host.name();
    this.directory = DIRECTORIES.resolve(name + ".docker");
  }

  /**
   * Starts an engine in {@code host}, which has none yet; returns when it answers and has the
   * image.
   *
   * @param options of dockerd
   */
  public static DockerEngine in(Netns host, String... options) {
    for (Path program : List.of(DOCKERD, DOCKER, BUSYBOX)) {
      if (!Files.isExecutable(program)) {
        throw new AssertionError(program + " is missing; " + INSTALL);
      }
    }
    DockerEngine engine = new DockerEngine(host);
    OPEN.add(engine);
    try {
      engine.settle(host);
      engine.start(options);
      engine.importImage();
      return engine;
    } catch (RuntimeException | AssertionError e) {
      engine.close();
      throw e;
    }
  }

  /** Makes the namespaces; a shell is their first process and collects what others leave. */
  private void settle(Netns host) {
    create(plugins());
    String script =
        "mount -t tmpfs tmpfs /run && mkdir -p /run/docker/plugins && mount --bind "
            + plugins()
            + " /run/docker/plugins && echo settled && while :; do sleep 3600 & wait; done";
    // Not ip netns exec, which hides /sys/fs/cgroup.
    Background shell =
        start(
            List.of(
                List.of("nsenter", "--net=" + host.path()),
                List.of("unshare", "--mount", "--propagation", "private"),
                List.of("--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)));
    anchor = shell;
    shell.awaitLine("^settled$", LIMIT);
    anchorPid = onlyChild(shell.pid());
  }

  /**
   * Starts the daemon again after {@link #stop} or {@link #kill}; returns when it answers.
   *
   * @param options of dockerd
   */
  public void start(String... options) {
    daemon =
        start(
            List.of(
                List.of("nsenter", "-t", Long.toString(anchorPid), "--net", "--mount", "--pid"),
                List.of(DOCKERD.toString(), "--host", "unix://" + socket()),
                List.of("--data-root", directory + "/data", "--exec-root", directory + "/exec"),
                List.of("--pidfile", directory + "/pid", "--cgroup-parent", "/" + name),
                List.of(options)));
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (!Files.exists(socket()) || !tryDocker("version").succeeded()) {
      if (!daemon.isAlive() || System.nanoTime() > deadlineNanos) {
        throw new AssertionError(
            "dockerd does not answer; it said:\n" + String.join("\n", daemon.lines()));
      }
      pause();
    }
  }

  private void importImage() {
    Path root = directory.resolve("image");
    Path archive = directory.resolve("image.tar");
    try {
      Files.createDirectories(root.resolve("bin"));
      Files.createDirectories(root.resolve("www"));
      Files.copy(BUSYBOX, root.resolve("bin/busybox"));
      for (String applet : APPLETS) {
        Files.createSymbolicLink(root.resolve("bin").resolve(applet), Path.of("busybox"));
      }
      Files.writeString(root.resolve("www/index.html"), "hello\n");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make the image's files in " + root, e);
    }
    Ran.run("tar", "-C", root.toString(), "-cf", archive.toString(), ".").orFail();
    docker(
        "import",
        "-c",
        "CMD [\"/bin/httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/www\"]",
        "-c",
        "EXPOSE 80",
        archive.toString(),
        IMAGE);
  }

  /** Where the engine's API listens. */
  public Path socket() {
    return directory.resolve("docker.sock");
  }

  /** The directory that the engine sees as {@code /run/docker/plugins}. */
  public Path plugins() {
    return directory.resolve("plugins");
  }

  /** {@code docker ARGUMENT…}, which must succeed: what it printed, without the last line's end. */
  public String docker(String... arguments) {
    return tryDocker(arguments).orFail().stdout().strip();
  }

  /** {@code docker ARGUMENT…}, however it ends. */
  public Ran tryDocker(String... arguments) {
    return Ran.run(dockerCommand(arguments).toArray(String[]::new));
  }

  /** What {@link #docker} runs, for who wants to run it otherwise. */
  public List<String> dockerCommand(String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "env",
                "DOCKER_CONFIG=" + directory, // never that of the machine
                DOCKER.toString(),
                "--host",
                "unix://" + socket()));
    command.addAll(List.of(arguments));
    return command;
  }

  /** A field of {@code docker inspect}, in Go's template language. */
  public String inspect(String what, String template) {
    return docker("inspect", "--format", template, what);
  }

  /**
   * The traffic tool inside a container, started when first asked for. It keeps the container's
   * network alive, and its address in use, until {@link #endTraffic}.
   */
  public synchronized Traffic traffic(String container) {
    String sandbox = inspect(container, "{{.NetworkSettings.SandboxKey}}");
    return traffic.computeIfAbsent(
        sandbox,
        key -> {
          List<String> command = new ArrayList<>(inside(key));
          command.addAll(Traffic.COMMAND);
          return Traffic.start(command);
        });
  }

  /** Ends the traffic tools in containers. */
  public synchronized void endTraffic() {
    traffic.values().forEach(Traffic::close);
    traffic.clear();
  }

  /** Runs a program of the machine in a container's network. */
  public Ran exec(String container, String... command) {
    List<String> all =
        new ArrayList<>(inside(inspect(container, "{{.NetworkSettings.SandboxKey}}")));
    all.addAll(List.of(command));
    return Ran.run(all.toArray(String[]::new));
  }

  /** Runs a program of the machine where the engine's processes are: by their numbers there. */
  public Ran execInside(String... command) {
    List<String> all =
        new ArrayList<>(
            List.of("nsenter", "-t", Long.toString(anchorPid), "--net", "--mount", "--pid"));
    all.addAll(List.of(command));
    return Ran.run(all.toArray(String[]::new)).orFail();
  }

  /** The file of the namespace can be seen in the engine's mount namespace only. */
  private List<String> inside(String sandbox) {
    return List.of(
        "nsenter", "-t", Long.toString(anchorPid), "--mount", "nsenter", "--net=" + sandbox);
  }

  /** The daemon's process. */
  public long pid() {
    return onlyChild(running().pid());
  }

  /** What the daemon has said since it was started. */
  public List<String> said() {
    return running().lines();
  }

  /** SIGTERM to the daemon, and waits for its end; containers end too, unless live-restore. */
  public void stop() {
    Ran.run("kill", "-TERM", Long.toString(pid())).orFail();
    running().awaitEnd(LIMIT);
  }

  /** Sends the daemon a signal that it lives on with, as {@code HUP}. */
  public void signal(String name) {
    Ran.run("kill", "-" + name, Long.toString(pid())).orFail();
  }

  /** SIGKILL to the daemon alone; containerd and the containers stay. */
  public void kill() {
    Ran.run("kill", "-KILL", Long.toString(pid())).orFail();
    running().awaitEnd(LIMIT);
  }

  private Background running() {
    Background process = daemon;
    if (process == null) {
      throw new IllegalStateException("the engine was never started");
    }
    return process;
  }

  /** Ends everything that was started; does nothing the second time. */
  @Override
  public void close() {
    if (!OPEN.remove(this)) {
      return;
    }
    endTraffic();
    Background shell = anchor;
    if (shell != null) {
      if (anchorPid != 0) {
        // The first process of a process namespace takes all others with it.
        Ran.run("kill", "-KILL", Long.toString(anchorPid)).orFail();
        shell.awaitEnd(LIMIT);
      }
      shell.close();
    }
    Background process = daemon;
    if (process != null) {
      process.close();
    }
    clean(name, directory);
  }

  @Override
  public String toString() {
    return "dockerd in " + name;
  }

  private static Background start(List<List<String>> parts) {
    List<String> command = parts.stream().flatMap(List::stream).toList();
    try {
      return Background.start(command);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start " + String.join(" ", command), e);
    }
  }

  /** nsenter and unshare stay as parents of what they start in another process namespace. */
  private static long onlyChild(long parent) {
    List<ProcessHandle> children = ProcessHandle.of(parent).orElseThrow().children().toList();
    if (children.size() != 1) {
      throw new AssertionError("process " + parent + " has " + children.size() + " children");
    }
    return children.get(0).pid();
  }

  private static void create(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot make " + directory, e);
    }
  }

  /** What stays when all processes are gone: control groups and files. */
  private static void clean(String name, Path directory) {
    try {
      for (Path group : groups(name)) {
        deleteTree(group);
      }
      deleteTree(directory);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot clean up after dockerd in " + name, e);
    }
  }

  /** The parent of its containers' groups, in each hierarchy there is. */
  private static List<Path> groups(String name) throws IOException {
    List<Path> hierarchies = new ArrayList<>(List.of(CGROUPS));
    try (Stream<Path> all = Files.list(CGROUPS)) {
      hierarchies.addAll(all.filter(Files::isDirectory).toList());
    }
    return hierarchies.stream().map(one -> one.resolve(name)).filter(Files::isDirectory).toList();
  }

  /** Groups have only directories that can be deleted; the processes' ends may be on their way. */
  private static void deleteTree(Path tree) throws IOException {
    if (!Files.exists(tree)) {
      return;
    }
    boolean groups = tree.startsWith(CGROUPS);
    List<Path> paths;
    try (Stream<Path> all = Files.walk(tree)) {
      paths =
          all.filter(path -> !groups || Files.isDirectory(path))
              .sorted(Comparator.reverseOrder())
              .toList();
    }
    for (Path path : paths) {
      long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
      while (true) {
        try {
          Files.deleteIfExists(path);
          break;
        } catch (IOException e) {
          if (System.nanoTime() > deadlineNanos) {
            throw e;
          }
        }
        pause();
      }
    }
  }

  /** Of a killed JVM; what ran in its namespaces was ended with them. */
  private static void deleteLeftovers() {
    try (Stream<Path> all = Files.list(DIRECTORIES)) {
      for (Path path : all.toList()) {
        Matcher matcher = DIRECTORY.matcher(path.getFileName().toString());
        if (matcher.matches() && ProcessHandle.of(Long.parseLong(matcher.group(1))).isEmpty()) {
          String name = path.getFileName().toString();
          clean(name.substring(0, name.lastIndexOf('.')), path);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + DIRECTORIES, e);
    }
  }

  private static void pause() {
    try {
      Thread.sleep(STEP_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for dockerd", e);
    }
  }
}
