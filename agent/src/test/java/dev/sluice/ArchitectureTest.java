package dev.sluice;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The arrows between the packages, as docs/architecture.md draws them: only downwards.
 *
 * <p>Fails if somebody imports what the map below does not name.
 */
class ArchitectureTest {
  private static final JavaClasses SLUICE =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("dev.sluice");

  /** Each package, from the bottom up, and what of ours it may use. */
  private static final Map<String, String> ARROWS =
      Map.ofEntries(
          // values and the doors to the system
          entry("net", ""),
          entry("ffi", ""),
          entry("sysctl", "net"),
          entry("model", "net"),
          entry("config", "model net"),
          // wire protocols: no domain word
          entry("netlink", "net ffi"),
          entry("nftables.uapi", "netlink"),
          entry("nftables.expr", "nftables.uapi netlink net"),
          entry("nftables", "nftables.expr nftables.uapi netlink net ffi"),
          entry("nftables.text", "nftables nftables.expr nftables.uapi net"),
          entry("conntrack", "netlink net ffi"),
          entry("route", "netlink net ffi"),
          entry("proxy", "net ffi"),
          entry("fastpath", "nftables nftables.expr nftables.uapi conntrack route netlink net ffi"),
          // how it is realised
          entry(
              "ruleset",
              "nftables nftables.expr nftables.text nftables.uapi netlink model net ffi"),
          entry(
              "ruleset.trace",
              "nftables nftables.expr nftables.text nftables.uapi route netlink model net ffi"),
          entry(
              "ruleset.path",
              "ruleset nftables nftables.expr nftables.text nftables.uapi route netlink sysctl"
                  + " model net ffi"),
          // what is meant
          entry("flow", "fastpath conntrack model net"),
          entry("flow.export", "model net"),
          entry("network.names", "model net"),
          entry("network", "network.names fastpath route netlink sysctl model net ffi"),
          entry("publish", "ruleset network flow proxy sysctl model net ffi"),
          // who asks
          entry("api.cni", "publish network model net"),
          entry("api", "api.cni publish network flow flow.export model net ffi"),
          entry("api.docker", "api publish network model net ffi"),
          entry(
              "daemon",
              "api api.cni api.docker publish network network.names flow flow.export proxy fastpath"
                  + " ruleset ruleset.path ruleset.trace nftables nftables.uapi conntrack route"
                  + " netlink sysctl config model net ffi"),
          entry("cli", "cli.demo cli.run daemon api flow flow.export config model net"),
          entry("cli.demo", "api flow flow.export route netlink model net"),
          entry("cli.run", "api netlink net ffi"));

  static Stream<String> packages() {
    return SLUICE.stream().map(ArchitectureTest::room).distinct().sorted();
  }

  private static String room(JavaClass type) {
    return type.getPackageName().substring("dev.sluice.".length());
  }

  @ParameterizedTest
  @MethodSource("packages")
  void aPackageUsesOnlyThoseBelowIt(String room) {
    String allowed = ARROWS.get(room);
    assertThat(allowed).as("%s has a place in the picture", room).isNotNull();
    String[] usable =
        Stream.concat(
                Stream.of("dev.sluice." + room),
                Arrays.stream(allowed.split(" ", -1))
                    .filter(name -> !name.isEmpty())
                    .map(name -> "dev.sluice." + name))
            .toArray(String[]::new);
    classes()
        .that()
        .resideInAPackage("dev.sluice." + room)
        .should()
        .onlyDependOnClassesThat(
            resideInAnyPackage(usable).or(not(resideInAPackage("dev.sluice.."))))
        .check(SLUICE);
  }

  /** Fails if the map above has a package that is gone. */
  @Test
  void thePictureHasNoPackageThatIsGone() {
    assertThat(ARROWS.keySet())
        .containsExactlyInAnyOrderElementsOf(packages().collect(Collectors.toList()));
  }

  @Test
  void noPackagesDependOnEachOtherInACircle() {
    slices().matching("dev.sluice.(**)").should().beFreeOfCycles().check(SLUICE);
  }

  /** The door to C is one package. */
  @Test
  void onlyFfiImportsJnr() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.sluice.ffi")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("jnr..", "com.kenai.jffi..")
        .check(SLUICE);
  }

  /** Names are looked up nowhere but where they are answered. */
  @Test
  void onlyTheResponderKnowsTheLibraryOfDns() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.sluice.network.names")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.xbill..")
        .check(SLUICE);
  }

  /** A program of its own may use them as libraries. */
  @Test
  void protocolPackagesHaveNoDomainWord() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "dev.sluice.netlink..",
            "dev.sluice.nftables..",
            "dev.sluice.conntrack..",
            "dev.sluice.route..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.sluice.model..")
        .check(SLUICE);
  }

  /** A client that loads native code starts ten times as slowly, and may not be root. */
  @Test
  void theClientLoadsNoNativeCode() {
    noClasses()
        .that()
        .haveFullyQualifiedName("dev.sluice.api.ApiClient")
        .should()
        .transitivelyDependOnClassesThat()
        .resideInAnyPackage("dev.sluice.ffi..", "jnr..")
        .check(SLUICE);
    noClasses()
        .that()
        .resideInAPackage("dev.sluice.cli")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.sluice.ffi..", "jnr..")
        .check(SLUICE);
  }

  /** Only the command that is the agent knows how one is put together. */
  @Test
  void commandsTalkToTheAgentThroughItsClient() {
    noClasses()
        .that()
        .resideInAPackage("dev.sluice.cli..")
        .and()
        .doNotHaveSimpleName("AgentCommand")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.sluice.daemon..", "dev.sluice.publish..", "dev.sluice.ruleset..")
        .check(SLUICE);
  }

  /** What the agent does it does itself; the demo plays somebody else, and run is told what. */
  @Test
  void noProgramIsEverRun() {
    noClasses()
        .that()
        .resideOutsideOfPackages("dev.sluice.cli.demo..", "dev.sluice.cli.run..")
        .should()
        .dependOnClassesThat()
        .areAssignableTo(ProcessBuilder.class)
        .orShould()
        .callMethodWhere(target(owner(type(Runtime.class))).and(target(name("exec"))))
        .check(SLUICE);
  }

  /** The agent logs; what it says before it can goes to standard error. */
  @Test
  void onlyTheCommandLinePrints() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.sluice.cli..")
        .should()
        .accessField(System.class, "out")
        .orShould()
        .dependOnClassesThat()
        .resideInAPackage("java.util.logging..")
        .check(SLUICE);
    noClasses()
        .that()
        .resideOutsideOfPackages("dev.sluice.cli..", "dev.sluice.daemon")
        .should()
        .accessField(System.class, "err")
        .check(SLUICE);
  }
}
