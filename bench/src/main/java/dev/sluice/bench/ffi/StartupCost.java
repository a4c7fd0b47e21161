package dev.sluice.bench.ffi;

import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import java.io.File;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a command-line program pays to reach the agent's socket: one JVM per sample, connecting
 * through the JDK's own unix-domain channel or through jnr-unixsocket, with and without an archive
 * of its classes.
 */
public final class StartupCost implements NamedBenchmark {
  private static final double NANOS_PER_MILLI = 1e6;
  private static final List<String> MEANS = List.of("nothing", "jdk", "jnr");

  /** Flags a short-lived program wants: no server compiler, no parallel collector to set up. */
  private static final List<String> SHORT_LIVED =
      List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");

  /** How the JVM gets its classes. */
  private enum Classes {
    FROM_JARS("from jars"),
    FROM_ARCHIVE("from an archive");

    final String words;

    Classes(String words) {
      this.words = words;
    }
  }

  @Override
  public String name() {
    return "startup";
  }

  @Override
  public String title() {
    return "Milliseconds until a fresh JVM has connected to a unix socket: by the JDK's own channel"
        + " or by jnr-unixsocket. The archive is AppCDS (-XX:ArchiveClassesAtExit) on JDK 17, an"
        + " AOT cache (-XX:AOTCacheOutput) on 25. A sample is one process.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    Path directory = Files.createTempDirectory("sluice-bench-startup");
    Path socket = directory.resolve("agent.sock");
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(socket));
      Thread acceptor = new Thread(() -> acceptAll(server), "acceptor");
      acceptor.setDaemon(true);
      acceptor.start();
      Figures figures = new Figures();
      for (JavaRuntime runtime : workbench.runtimes()) {
        for (String means : MEANS) {
          Workbench.output(
              command(workbench, runtime, means, socket, dump(runtime, directory, means)));
        }
      }
      for (int round = 0; round < workbench.rounds(); round++) {
        for (String means : MEANS) {
          for (Classes classes : Classes.values()) {
            for (JavaRuntime runtime : workbench.runtimes()) {
              List<String> flags =
                  classes == Classes.FROM_ARCHIVE ? use(runtime, directory, means) : List.of();
              sample(
                  figures,
                  command(workbench, runtime, means, socket, flags),
                  means,
                  classes,
                  runtime);
            }
          }
        }
      }
      return figures.toList().stream().sorted(Comparator.comparing(Figure::subject)).toList();
    } finally {
      try (var files = Files.list(directory)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
      }
      Files.delete(directory);
    }
  }

  private static void sample(
      Figures figures, List<String> command, String means, Classes classes, JavaRuntime runtime)
      throws IOException, InterruptedException {
    long start = System.nanoTime();
    String printed = Workbench.output(command);
    long process = System.nanoTime() - start;
    String variant = means + ", classes " + classes.words;
    if (!means.equals("nothing")) {
      double nanos = Long.parseLong(printed.strip());
      figures.add("first connection", variant, runtime.label(), "ms", nanos / NANOS_PER_MILLI);
    }
    figures.add("whole process", variant, runtime.label(), "ms", process / NANOS_PER_MILLI);
  }

  private static List<String> command(
      Workbench workbench, JavaRuntime runtime, String means, Path socket, List<String> flags) {
    List<String> command = new ArrayList<>();
    command.add(runtime.java().toString());
    command.addAll(SHORT_LIVED);
    command.addAll(runtime.flags(workbench));
    command.addAll(flags);
    command.addAll(List.of("-cp", jars(workbench), StartupProbe.class.getName()));
    command.addAll(List.of(means, socket.toString()));
    return command;
  }

  /** Archives hold classes of jars only: directories stay off the probe's classpath. */
  private static String jars(Workbench workbench) {
    return Arrays.stream(workbench.classPath().split(File.pathSeparator, -1))
        .filter(entry -> entry.endsWith(".jar"))
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static Path archive(JavaRuntime runtime, Path directory, String means) {
    return directory.resolve(means + "-" + runtime.feature() + ".archive");
  }

  private static boolean hasAotCache(JavaRuntime runtime) {
    return runtime.feature() >= 25;
  }

  private static List<String> dump(JavaRuntime runtime, Path directory, String means) {
    Path archive = archive(runtime, directory, means);
    return hasAotCache(runtime)
        ? List.of("-XX:AOTCacheOutput=" + archive, "-Xlog:aot=off", "-Xlog:cds=off")
        : List.of("-XX:ArchiveClassesAtExit=" + archive, "-Xlog:cds=off");
  }

  /**
   * {@code -Xshare:on} and its like: an archive that cannot be used fails instead of being slow.
   */
  private static List<String> use(JavaRuntime runtime, Path directory, String means) {
    Path archive = archive(runtime, directory, means);
    return hasAotCache(runtime)
        ? List.of("-XX:AOTCache=" + archive, "-XX:AOTMode=on")
        : List.of("-XX:SharedArchiveFile=" + archive, "-Xshare:on");
  }

  private static void acceptAll(ServerSocketChannel server) {
    try {
      while (true) {
        server.accept().close();
      }
    } catch (ClosedChannelException e) {
      // The benchmark is over: closing the server is how it tells this thread.
    } catch (IOException e) {
      throw new IllegalStateException("cannot accept on the benchmark's socket", e);
    }
  }
}
