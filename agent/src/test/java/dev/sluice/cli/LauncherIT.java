package dev.sluice.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script {@code sluice}: which Java it takes, and what it says where something is missing. */
class LauncherIT {
  private static final Path LAUNCHER =
      Path.of(System.getProperty("sluice.project.dir")).resolve("sluice").toAbsolutePath();

  private record Said(int exitCode, String out, String err) {}

  /**
   * Fails if the script looks for the program beside the link, or if the virtual machine warns of
   * anything.
   */
  @Test
  void runs_from_anywhere_through_a_link_and_without_warnings(@TempDir Path directory)
      throws Exception {
    Path link = Files.createSymbolicLink(directory.resolve("s"), LAUNCHER);
    run(directory, link, Map.of(), "version"); // the first one after a build tells of its archive
    Said said = run(directory, link, Map.of(), "--socket", "/nonexistent/sluice.sock", "version");
    assertThat(said.exitCode()).isZero();
    assertThat(said.out()).startsWith("sluice 0.");
    assertThat(said.err()).isEmpty();
  }

  /** Fails if the line to install Java with is not there to be copied. */
  @Test
  void says_how_to_install_java(@TempDir Path directory) throws Exception {
    Said said = run(directory, LAUNCHER, Map.of("JAVA_HOME", "/nonexistent"), "version");
    assertThat(said.exitCode()).isEqualTo(1);
    assertThat(said.err())
        .contains("/nonexistent", "apt-get install -y openjdk-17-jdk-headless")
        .hasLineCount(2);
  }

  /** Fails if the version of Java is not looked at. */
  @Test
  void refuses_a_java_that_is_too_old(@TempDir Path directory) throws Exception {
    Path java = Files.createDirectories(directory.resolve("jdk-11/bin")).resolve("java");
    Files.createFile(java);
    assertThat(java.toFile().setExecutable(true)).isTrue();
    Files.writeString(directory.resolve("jdk-11/release"), "JAVA_VERSION=\"11.0.2\"\n");
    Said said =
        run(
            directory,
            LAUNCHER,
            Map.of("JAVA_HOME", directory.resolve("jdk-11").toString()),
            "version");
    assertThat(said.exitCode()).isEqualTo(1);
    assertThat(said.err()).contains("is version 11.0.2, and 17 or newer is needed");
  }

  /** Fails if the demo starts without nft, to end in the middle of the story. */
  @Test
  void names_what_the_demo_lacks_before_it_starts(@TempDir Path directory) throws Exception {
    Path tools = Files.createDirectory(directory.resolve("bin"));
    for (String tool :
        List.of("bash", "readlink", "sed", "find", "id", "uname", "java", "mvn", "gcc", "make")) {
      Files.createSymbolicLink(tools.resolve(tool), which(tool));
    }
    Said said = run(directory, LAUNCHER, Map.of("PATH", tools.toString()), "demo");
    assertThat(said.exitCode()).isEqualTo(1);
    assertThat(said.err())
        .contains("this machine lacks: nft")
        .endsWith("\napt-get install -y nftables\n");
    assertThat(said.out()).isEmpty();
  }

  private static Path which(String tool) {
    for (String directory : System.getenv("PATH").split(":", -1)) {
      Path path = Path.of(directory, tool);
      if (Files.isExecutable(path)) {
        return path;
      }
    }
    throw new AssertionError("there is no " + tool + " on the PATH");
  }

  private static Said run(
      Path directory, Path launcher, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    Path out = directory.resolve("out");
    Path err = directory.resolve("err");
    ProcessBuilder builder = new ProcessBuilder(launcher.toString());
    builder.command().addAll(List.of(arguments));
    builder.environment().put("SLUICE_BUILD", "never");
    builder.environment().remove("JAVA_HOME");
    builder.environment().putAll(environment);
    Process process =
        builder
            .directory(directory.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return new Said(
        process.exitValue(),
        new String(Files.readAllBytes(out), UTF_8),
        new String(Files.readAllBytes(err), UTF_8));
  }
}
