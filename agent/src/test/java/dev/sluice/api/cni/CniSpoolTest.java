package dev.sluice.api.cni;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.FakeAgent;
import dev.sluice.publish.PublishException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests that waited for the agent. */
class CniSpoolTest {
  private Path directory;
  private Path spool;

  @BeforeEach
  void makeDirectory(@TempDir Path temporary) throws IOException {
    directory = temporary;
    spool = directory.resolve("cni");
    Files.createDirectory(
        spool, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
  }

  private void leave(String name, String content, int age) throws IOException {
    Path file = Files.writeString(spool.resolve(name), content);
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().minusSeconds(age)));
  }

  private List<String> left() throws IOException {
    try (Stream<Path> all = Files.list(spool)) {
      return all.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private List<String> workOff(boolean done) {
    List<String> seen = new ArrayList<>();
    new CniSpool(spool)
        .workOff(
            request -> {
              seen.add(new String(request, UTF_8));
              return done;
            });
    return seen;
  }

  /** Fails if a younger request overtakes an older one, or one is carried out twice. */
  @Test
  void theOldestIsFirst() throws IOException {
    leave("b.json", "first", 30);
    leave("a.json", "second", 20);
    leave("c.json", "third", 10);
    assertThat(workOff(true)).containsExactly("first", "second", "third");
    assertThat(left()).isEmpty();
    assertThat(workOff(true)).isEmpty();
  }

  /** Fails if a request is lost that could not be carried out yet. */
  @Test
  void whatIsNotDoneWithStays() throws IOException {
    leave("a.json", "x", 0);
    assertThat(workOff(false)).containsExactly("x");
    assertThat(left()).containsExactly("a.json");
  }

  /** Fails if half a request is carried out, or what nobody finishes stays for ever. */
  @Test
  void halfWrittenOnesAreLeftAloneForAWhile() throws IOException {
    leave(".a.json.1", "young", 60);
    leave(".b.json.2", "old", 3_600);
    assertThat(workOff(true)).isEmpty();
    assertThat(left()).containsExactly(".a.json.1");
  }

  /** Fails if requests are carried out that somebody else can have written, or read by a link. */
  @Test
  void whatOthersCanWriteIsNotTrusted() throws IOException {
    leave("a.json", "x", 0);
    Files.setPosixFilePermissions(spool, PosixFilePermissions.fromString("rwxrwx---"));
    assertThat(workOff(true)).isEmpty();
    Files.setPosixFilePermissions(spool, PosixFilePermissions.fromString("rwx------"));
    Path link = directory.resolve("link");
    Files.createSymbolicLink(link, spool);
    new CniSpool(link).workOff(request -> true);
    assertThat(left()).containsExactly("a.json");
    Files.delete(spool.resolve("a.json"));
    Path elsewhere = Files.writeString(directory.resolve("elsewhere"), "y");
    Files.createSymbolicLink(spool.resolve("b.json"), elsewhere);
    assertThat(workOff(true)).isEmpty();
  }

  /** Fails if a DEL that waits is not carried out before the next call, or is not forgotten. */
  @Test
  void callsComeBehindWhatWaits() throws IOException {
    Published published = new Published();
    CniPlugins plugins =
        new CniPlugins(published.publisher(), new FakeAgent().networks(), new CniSpool(spool));
    Calls calls = new Calls(plugins, "sluice");
    String config =
        "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"prevResult\":{\"ips\":[{\"address\":"
            + "\"10.88.0.2/16\"}]},\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":1,"
            + "\"containerPort\":2}]}}";
    calls.result("ADD", config);
    String delete = new String(Calls.request(calls.environment("DEL"), config), UTF_8);
    leave("a.json", delete, 0);
    assertThat(calls.error("CHECK", config).get("code").asInt()).isEqualTo(101);
    assertThat(left()).isEmpty();

    calls.result("ADD", config);
    leave("a.json", delete, 0);
    published.failWith(new PublishException(PublishException.Kind.UNAVAILABLE, "not now"));
    plugins.resume();
    assertThat(left()).containsExactly("a.json");
    published.failWith(null);
    plugins.resume();
    assertThat(left()).isEmpty();
    assertThat(published.lines()).isEmpty();

    leave("a.json", "{", 0);
    leave("b.json", delete.replace("1.1.0", "9.9.9"), 0);
    plugins.resume();
    assertThat(left()).isEmpty();
  }
}
