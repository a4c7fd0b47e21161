package dev.sluice.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.net.MalformedValueException;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Ran;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Named namespaces beside {@code ip netns}, which must see the same ones. */
class NamedNamespacesIT {
  private static final Path DIRECTORY = Path.of("/run/netns");
  private static final AtomicInteger COUNT = new AtomicInteger();

  private final NamedNamespaces namespaces = NamedNamespaces.system();
  private final List<String> names = new ArrayList<>();

  /** A name that the test laboratory cleans up should this JVM be killed. */
  private String newName() {
    String name =
        "slt-%d-%d-named".formatted(ProcessHandle.current().pid(), 1000 + COUNT.incrementAndGet());
    names.add(name);
    return name;
  }

  @AfterEach
  void deleteAll() {
    names.forEach(namespaces::delete);
  }

  /** Fails if the mount is missing or somewhere else: {@code ip netns exec} could not enter. */
  @Test
  void aNamespaceMadeHereIsOneForIp() {
    String name = newName();

    namespaces.create(name).close();

    assertThat(ipList()).contains(name);
    assertThat(namespaces.list()).contains(name).isSorted();
    assertThat(Ran.run("ip", "netns", "exec", name, "ls", "/sys/class/net").orFail().stdout())
        .isEqualTo("lo\n");
  }

  /** Fails if the directory or the mount is not the one that ip uses. */
  @Test
  void aNamespaceMadeByIpIsOneHere() {
    String name = newName();
    Ran.run("ip", "netns", "add", name).orFail();
    Ran.run("ip", "-n", name, "link", "add", "br7", "type", "bridge").orFail();

    assertThat(namespaces.list()).contains(name);
    try (NetworkNamespace namespace = namespaces.open(name);
        Rtnetlink rtnetlink = Rtnetlink.open(namespace)) {
      assertThat(rtnetlink.links()).extracting(Link::name).containsExactly("lo", "br7");
    }
  }

  /** Fails if deleting leaves the mount or the file behind. */
  @Test
  void eachSideDeletesWhatTheOtherMade() throws IOException {
    String ours = newName();
    String theirs = newName();
    namespaces.create(ours).close();
    Ran.run("ip", "netns", "add", theirs).orFail();

    Ran.run("ip", "netns", "del", ours).orFail();
    assertThat(namespaces.delete(theirs)).isTrue();

    assertThat(ipList()).doesNotContain(ours, theirs);
    assertThat(namespaces.list()).doesNotContain(ours, theirs);
    assertThat(Files.readString(Path.of("/proc/self/mountinfo"))).doesNotContain(ours, theirs);
    assertThat(namespaces.delete(theirs)).isFalse();
  }

  /** Fails if the caller's thread is the one that changes its namespace. */
  @Test
  void creatingLeavesTheCallerWhereItIs() throws IOException {
    Path own = Path.of("/proc/thread-self/ns/net");
    Path before = Files.readSymbolicLink(own);

    try (NetworkNamespace made = namespaces.create(newName())) {
      assertThat(Files.readSymbolicLink(own)).isEqualTo(before);
      assertThat(Files.readSymbolicLink(Path.of("/proc/self/fd/" + made.fd())))
          .isNotEqualTo(before);
    }
  }

  /** Fails if O_EXCL is missing: the first namespace would lose its name. */
  @Test
  void aNameThatIsTakenIsRefused() {
    String name = newName();
    Ran.run("ip", "netns", "add", name).orFail();
    Ran.run("ip", "-n", name, "link", "add", "br7", "type", "bridge").orFail();

    assertThatThrownBy(() -> namespaces.create(name))
        .isInstanceOf(SystemCallException.class)
        .hasMessage("cannot create the network namespace \"%s\": EEXIST (file exists)", name);

    assertThat(Ran.run("ip", "-n", name, "link", "show", "br7").succeeded()).isTrue();
  }

  /** Fails if a file that a crash left behind is taken for a namespace, or cannot be removed. */
  @Test
  void aFileWithoutNamespaceIsToldApartAndCanBeDeleted() throws IOException {
    String name = newName();
    newNamespaceDirectory();
    Path stale = Files.createFile(DIRECTORY.resolve(name));

    assertThat(namespaces.list()).doesNotContain(name);
    assertThatThrownBy(() -> namespaces.open(name))
        .isInstanceOf(SystemCallException.class)
        .hasMessage(
            "cannot open the network namespace \"%s\", %s holds none:"
                + " ENOENT (no such file or directory)",
            name, stale);
    assertThatThrownBy(() -> namespaces.create(name))
        .hasMessage(
            "cannot create the network namespace \"%s\", %s is in the way and holds no namespace,"
                + " delete it: EEXIST (file exists)",
            name, stale);
    assertThat(namespaces.delete(name)).isTrue();
    assertThat(stale).doesNotExist();
    namespaces.create(name).close();
    assertThat(ipList()).contains(name);
  }

  /** Fails if deleting follows a link: another program's namespace would be unmounted. */
  @Test
  void deletingALinkLeavesItsTargetAlone() throws IOException {
    String target = newName();
    String link = newName();
    namespaces.create(target).close();
    Files.createSymbolicLink(DIRECTORY.resolve(link), DIRECTORY.resolve(target));

    assertThat(namespaces.delete(link)).isTrue();

    assertThat(Files.exists(DIRECTORY.resolve(link), LinkOption.NOFOLLOW_LINKS)).isFalse();
    assertThat(namespaces.list()).contains(target);
    assertThat(Ran.run("ip", "netns", "exec", target, "true").succeeded()).isTrue();
  }

  /** Fails if two namespaces mounted on one file need two calls to go. */
  @Test
  void deletingTakesAwayMountsOnMounts() {
    String name = newName();
    String other = newName();
    namespaces.create(name).close();
    namespaces.create(other).close();
    Ran.run("mount", "--bind", DIRECTORY + "/" + other, DIRECTORY + "/" + name).orFail();

    assertThat(namespaces.delete(name)).isTrue();

    assertThat(DIRECTORY.resolve(name)).doesNotExist();
  }

  /** Fails if an absent name is no clear error. */
  @Test
  void anAbsentNamespaceIsNamed() {
    assertThatThrownBy(() -> namespaces.open("slt-nowhere"))
        .isInstanceOfSatisfying(
            SystemCallException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT))
        .hasMessage(
            "cannot open the network namespace /run/netns/slt-nowhere:"
                + " ENOENT (no such file or directory)");
    assertThat(namespaces.delete("slt-nowhere")).isFalse();
  }

  /** Fails if a name can reach outside the directory, or one that ip refuses is taken. */
  @Test
  void aNameThatIsNoFileNameIsRefused() {
    for (String name :
        List.of("../slt-outside", "", ".", "..", "a/b", "/run/x", "a\0b", "x".repeat(256))) {
      assertThatThrownBy(() -> namespaces.create(name))
          .as("create \"%s\"", name)
          .isInstanceOf(MalformedValueException.class)
          .hasMessageContaining("network namespace");
      assertThatThrownBy(() -> namespaces.open(name)).isInstanceOf(MalformedValueException.class);
      assertThatThrownBy(() -> namespaces.delete(name)).isInstanceOf(MalformedValueException.class);
    }
    assertThat(Path.of("/run/slt-outside")).doesNotExist();
  }

  /** Fails without MS_SHARED: a namespace deleted elsewhere would stay mounted here. */
  @Test
  void theDirectoryBecomesASharedMountPoint(@TempDir Path parent) throws IOException {
    Path directory = parent.resolve("netns");
    NamedNamespaces elsewhere = new NamedNamespaces(directory);
    assertThat(elsewhere.list()).isEmpty();
    try {
      elsewhere.create("one").close();
      elsewhere.create("two").close();

      assertThat(elsewhere.list()).containsExactly("one", "two");
      List<String> mounts =
          Files.readAllLines(Path.of("/proc/self/mountinfo")).stream()
              .filter(line -> line.contains(" " + directory + " "))
              .toList();
      assertThat(mounts).hasSize(1);
      assertThat(mounts.get(0)).contains(" shared:");
    } finally {
      elsewhere.delete("one");
      elsewhere.delete("two");
      assertThat(Sys.umount2(directory.toString(), 0)).isZero();
    }
  }

  /** Fails if creating is not safe beside creating: one name must have one winner. */
  @Test
  void oneOfManyGetsAName() throws Exception {
    String name = newName();
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      List<Callable<Integer>> attempts = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        attempts.add(() -> errnoOfCreating(name));
      }
      List<Integer> outcomes = new ArrayList<>();
      for (Future<Integer> outcome : threads.invokeAll(attempts)) {
        outcomes.add(outcome.get());
      }
      assertThat(outcomes).containsOnly(0, Errno.EEXIST).containsOnlyOnce(0);
    } finally {
      threads.shutdown();
    }
    assertThat(namespaces.list()).contains(name);
  }

  private int errnoOfCreating(String name) {
    try {
      namespaces.create(name).close();
      return 0;
    } catch (SystemCallException e) {
      return e.errno();
    }
  }

  /** Whatever runs first may find no directory yet. */
  private void newNamespaceDirectory() {
    String name = newName();
    namespaces.create(name).close();
    assertThat(namespaces.delete(name)).isTrue();
  }

  private static List<String> ipList() {
    return Ran.run("ip", "netns", "list")
        .orFail()
        .stdout()
        .lines()
        .map(line -> line.replaceFirst(" .*", ""))
        .toList();
  }
}
