package dev.sluice.packaging;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is in the package, and what it says of itself. */
class ContentsIT {
  private static final BuiltPackage BUILT = BuiltPackage.built();

  private static Path tree = Path.of("");

  @BeforeAll
  static void unpack(@TempDir Path directory) {
    BUILT.extractTo(directory);
    tree = directory;
  }

  /**
   * Fails if a file is missing, belongs to somebody, or may be written or run by the wrong ones.
   */
  @Test
  void everythingIsThereAndBelongsToRoot() {
    List<String> contents = BUILT.contents();
    assertThat(contents).allSatisfy(line -> assertThat(line).matches("\\S+ root/root .*"));
    assertThat(contents)
        .anyMatch(line -> line.matches("-rwxr-xr-x .* \\./usr/bin/sluice"))
        .anyMatch(line -> line.matches("-rwxr-xr-x .* \\./usr/lib/sluice/sluice-keeper"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./usr/lib/sluice/libsluice.so"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./usr/lib/sluice/sluice.jar"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./usr/lib/sluice/lib/jnr-ffi-.*\\.jar"))
        .anyMatch(line -> line.matches("-.* \\./usr/lib/sluice/jffi/.*-Linux/libjffi-.*\\.so"))
        .anyMatch(line -> line.matches("-rwxr-xr-x .* \\./usr/lib/sluice/sluice-cni"))
        .anyMatch(line -> line.endsWith(" ./usr/lib/cni/sluice -> ../sluice/sluice-cni"))
        .anyMatch(line -> line.endsWith(" ./usr/lib/cni/sluice-bridge -> ../sluice/sluice-cni"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./lib/systemd/system/sluice.service"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./usr/lib/tmpfiles.d/sluice.conf"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./usr/lib/sysusers.d/sluice.conf"))
        .anyMatch(line -> line.matches("-rw-r--r-- .* \\./etc/default/sluice"))
        .anyMatch(line -> line.endsWith(" ./usr/share/bash-completion/completions/sluice"))
        .anyMatch(line -> line.endsWith(" ./usr/share/man/man8/sluice-agent.8.gz"))
        .anyMatch(line -> line.endsWith(" ./usr/share/man/man1/sluice-network-create.1.gz"));
  }

  /** Fails if the version is not the build's, or if a new function of libc needs a newer one. */
  @Test
  void itDependsOnWhatItNeeds() throws IOException {
    assertThat(BUILT.field("Architecture"))
        .isEqualTo(Ran.run("dpkg", "--print-architecture").orFail().stdout().strip());
    assertThat(BUILT.field("Version")).matches("\\d+\\.\\d+\\.\\d+(~SNAPSHOT)?");
    String depends = BUILT.field("Depends");
    assertThat(depends).contains("java17-runtime-headless");
    Pattern version = Pattern.compile("GLIBC_([0-9.]+)");
    String needed =
        Stream.of("libsluice.so", "sluice-keeper")
            .map(file -> tree.resolve("usr/lib/sluice").resolve(file).toString())
            .map(file -> Ran.run("objdump", "-T", file).orFail().stdout())
            .flatMap(symbols -> version.matcher(symbols).results())
            .map(match -> match.group(1))
            .max(Comparator.comparing(ContentsIT::numbers))
            .orElseThrow();
    assertThat(depends).contains("libc6 (>= " + needed + ")");
  }

  private static Integer numbers(String version) {
    int dot = version.indexOf('.');
    int end = version.indexOf('.', dot + 1);
    return Integer.parseInt(version.substring(0, dot)) * 1000
        + Integer.parseInt(version.substring(dot + 1, end < 0 ? version.length() : end));
  }

  /** Fails if a library comes into the agent without its license coming into the package. */
  @Test
  void everyLibraryHasItsLicense() throws IOException {
    List<Pattern> described =
        Files.readAllLines(tree.resolve("usr/share/doc/sluice/copyright")).stream()
            .flatMap(line -> Pattern.compile("/usr/lib/sluice/lib/(\\S+)").matcher(line).results())
            .map(match -> Pattern.compile(match.group(1).replace(".", "\\.").replace("*", ".*")))
            .toList();
    try (Stream<Path> libraries = Files.list(tree.resolve("usr/lib/sluice/lib"))) {
      assertThat(libraries.map(Path::getFileName).map(Path::toString))
          .isNotEmpty()
          .allSatisfy(
              library -> assertThat(described).anyMatch(files -> files.matcher(library).matches()));
    }
  }

  /** Fails if a page has a macro or a character that groff does not understand. */
  @Test
  void manualPagesAreWellFormed() throws IOException {
    try (Stream<Path> pages = Files.walk(tree.resolve("usr/share/man"))) {
      List<String> files = pages.filter(Files::isRegularFile).map(Path::toString).sorted().toList();
      assertThat(files).hasSizeGreaterThan(25);
      Ran groff =
          Ran.run(
              "sh",
              "-c",
              "for page in "
                  + String.join(" ", files)
                  + "; do zcat $page | groff -man -Tutf8 -Kutf8 -ww -rLL=80n >/dev/null; done");
      assertThat(groff.stderr()).isEmpty();
    }
    String publish =
        Ran.run(
                "sh",
                "-c",
                "zcat "
                    + tree.resolve("usr/share/man/man1/sluice-publish.1.gz")
                    + " | groff -man -Tascii -P-c -P-b -P-u -rLL=80n")
            .orFail()
            .stdout();
    assertThat(publish)
        .contains("sluice-publish - publishes ports of a container on this host")
        .contains("-p, --publish=PORT")
        .contains("sluice publish -p 8080:80 --to 172.30.0.2 --name web");
  }

  /** Fails if a command is not completed, or not by the script that is installed. */
  @Test
  void bashCompletesCommandsAndOptions() {
    String script = tree.resolve("usr/share/bash-completion/completions/sluice").toString();
    String complete =
        """
        source %s
        COMP_WORDS=(sluice %s) COMP_CWORD=%d COMP_LINE="sluice %s"
        _complete_sluice sluice
        echo "${COMPREPLY[@]}"
        """;
    assertThat(Ran.run("bash", "-c", complete.formatted(script, "pub", 1, "pub")).stdout().strip())
        .isEqualTo("publish");
    assertThat(
            Ran.run("bash", "-c", complete.formatted(script, "publish --max", 2, "publish --max"))
                .stdout()
                .strip())
        .isEqualTo("--max-connections");
  }

  /** Fails if a script of the package is no script, or has an error in its grammar. */
  @Test
  void maintainerScriptsAreScripts(@TempDir Path control) {
    Ran.run("dpkg-deb", "--control", BUILT.file().toString(), control.toString()).orFail();
    for (String name : List.of("postinst", "prerm", "postrm")) {
      Path script = control.resolve(name);
      assertThat(script).isExecutable();
      Ran.run("sh", "-n", script.toString()).orFail();
    }
    assertThat(control.resolve("conffiles")).hasContent("/etc/default/sluice");
    assertThat(control.resolve("md5sums")).isNotEmptyFile();
  }
}
