package dev.sluice.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.FakeAgent;
import dev.sluice.testing.Ran;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A command starts fast because it loads nothing native, and no logger either. */
class NothingNativeTest {
  /** Fails if a command, or the client it uses, comes to depend on the bindings to C. */
  @Test
  void commands_and_the_client_do_not_depend_on_the_bindings() {
    JavaClasses classes =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.sluice.cli", "dev.sluice.api");
    noClasses()
        .that()
        .resideInAPackage("dev.sluice.cli")
        .or()
        .haveFullyQualifiedName("dev.sluice.api.ApiClient")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.sluice.ffi..", "jnr..")
        .check(classes);
  }

  /** Fails if a class of jnr, of ours that needs it, or of a logger is loaded on the way. */
  @Test
  void ps_loads_nothing_native(@TempDir Path directory) {
    FakeAgent agent = new FakeAgent();
    agent.publish("8080:80", "172.30.0.2", "web");
    try (ApiServer server =
        ApiServer.start(directory.resolve("a.sock"), agent.services(), ApiOptions.DEFAULTS)) {
      List<String> loaded =
          Ran.run(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xlog:class+load",
                  "-cp",
                  System.getProperty("java.class.path"),
                  "dev.sluice.cli.Main",
                  "--socket",
                  server.socket().toString(),
                  "ps")
              .orFail()
              .stdout()
              .lines()
              .toList();
      assertThat(loaded).anyMatch(line -> line.contains("dev.sluice.api.ApiClient "));
      assertThat(loaded).anyMatch(line -> line.startsWith("web "));
      assertThat(loaded)
          .noneMatch(
              line ->
                  line.matches(
                      ".*\\b(jnr\\.|com\\.kenai|dev\\.sluice\\.ffi\\.|org\\.slf4j\\.).* source: .*"));
    }
  }
}
