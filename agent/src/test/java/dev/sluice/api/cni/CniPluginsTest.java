package dev.sluice.api.cni;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.publish.PublishException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** What all plugins have in common: versions, verbs, and what cannot be a call at all. */
class CniPluginsTest {
  private final Published published = new Published();
  private final CniPlugins plugins = published.plugins();
  private final Calls calls = new Calls(plugins, "sluice");

  private static String config(String version) {
    return "{\"cniVersion\":\"" + version + "\",\"name\":\"net\",\"prevResult\":{}}";
  }

  /** Fails if a verb is carried out in a version that does not have it. */
  @ParameterizedTest
  @CsvSource({
    "0.3.0, ADD DEL",
    "0.3.1, ADD DEL",
    "0.4.0, ADD DEL CHECK",
    "1.0.0, ADD DEL CHECK",
    "1.1.0, ADD DEL CHECK STATUS",
  })
  void eachVersionHasItsVerbs(String version, String verbs) {
    Set<String> possible = new HashSet<>(List.of(verbs.split(" ")));
    for (String verb : List.of("ADD", "DEL", "CHECK", "STATUS")) {
      if (possible.contains(verb)) {
        JsonNode result = calls.result(verb, config(version));
        assertThat(result.isEmpty()).isEqualTo(!verb.equals("ADD"));
      } else {
        JsonNode error = calls.error(verb, config(version));
        assertThat(error.get("code").asInt()).isEqualTo(1);
        assertThat(error.get("cniVersion").asString()).isEqualTo(version);
      }
    }
    assertThat(calls.error("GC", config(version)).get("code").asInt())
        .isEqualTo(version.equals("1.1.0") ? 7 : 1);
  }

  /** The words are those of the real plugins. Fails if another version is taken for one of ours. */
  @ParameterizedTest
  @ValueSource(strings = {"", "0.1.0", "0.2.0", "1.0.1", "2.0.0", "1.1"})
  void otherVersionsAreRefused(String version) {
    for (String verb : List.of("ADD", "DEL")) {
      JsonNode error = calls.error(verb, config(version));
      assertThat(error.get("code").asInt()).isEqualTo(1);
      assertThat(error.get("msg").asString()).isEqualTo("incompatible CNI versions");
      assertThat(error.get("details").asString()).contains("0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0");
    }
    assertThat(published.calls()).isZero();
  }

  /** Fails if something is done for a call that names nobody, or nobody that there can be. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "containerId | ``          | CNI_CONTAINERID",
        "containerId | `a b`       | CNI_CONTAINERID",
        "containerId | `-a`        | CNI_CONTAINERID",
        "containerId | `../../etc` | CNI_CONTAINERID",
        "containerId | `a\u0000b`  | CNI_CONTAINERID",
        "containerId | `é`         | CNI_CONTAINERID",
        "ifname      | ``          | CNI_IFNAME",
        "ifname      | `a/b`       | CNI_IFNAME",
        "ifname      | `..`        | CNI_IFNAME",
        "ifname      | `a b`       | CNI_IFNAME",
        "ifname      | `0123456789abcdef` | CNI_IFNAME",
        "command     | `add`       | CNI_COMMAND",
        "command     | ``          | CNI_COMMAND",
        "plugin      | `bridge`    | plugin",
      })
  void namesThatBreakTheRulesAreRefused(String variable, String value, String named) {
    for (String verb : List.of("ADD", "DEL", "CHECK")) {
      Map<String, String> environment = calls.environment(verb);
      environment.put(variable, value == null ? "" : value);
      JsonNode error = calls.error(environment, config("1.0.0"));
      assertThat(error.get("code").asInt()).isEqualTo(4);
      assertThat(error.get("msg").asString()).contains(named);
    }
    assertThat(published.calls()).isZero();
  }

  /** Fails if what is no configuration is taken for an empty one. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "6 | ``",
        "6 | `xx`",
        "6 | `[]`",
        "6 | `{`",
        "6 | `{} {}`",
        "6 | `{\"name\":\"a\",\"name\":\"b\"}`",
        "7 | `{\"cniVersion\":1}`",
        "7 | `{\"cniVersion\":\"1.0.0\"}`",
        "7 | `{\"cniVersion\":\"1.0.0\",\"name\":\"\"}`",
        "7 | `{\"cniVersion\":\"1.0.0\",\"name\":\"a b\"}`",
        "7 | `{\"cniVersion\":\"1.0.0\",\"name\":\"../a\"}`",
        "7 | `{\"cniVersion\":\"1.0.0\",\"name\":7}`",
      })
  void whatIsNoConfigurationIsRefused(int code, String config) {
    JsonNode error = calls.error("ADD", config == null ? "" : config);
    assertThat(error.get("code").asInt()).isEqualTo(code);
    assertThat(published.calls()).isZero();
  }

  /** Fails if nesting without end reaches the stack's. */
  @Test
  void nestingHasALimit() {
    String deep = "{\"a\":" + "[".repeat(100_000) + "]".repeat(100_000) + "}";
    assertThat(calls.error("ADD", deep).get("code").asInt()).isEqualTo(6);
    assertThat(plugins.answer("[[".getBytes(UTF_8), () -> false).succeeded()).isFalse();
    assertThat(plugins.answer(new byte[0], () -> false).succeeded()).isFalse();
  }

  /** Fails if a runtime has to see to a DEL again, or an ADD that was refused looks like done. */
  @Test
  void onlyADelIsKeptForLater() {
    published.failWith(new PublishException(PublishException.Kind.UNAVAILABLE, "not now"));
    for (String verb : List.of("ADD", "DEL", "CHECK")) {
      CniAnswer answer = calls.call(verb, config("1.1.0"));
      assertThat(answer.succeeded()).as(verb).isFalse();
      assertThat(answer.keepForLater()).as(verb).isEqualTo(verb.equals("DEL"));
    }
    published.failWith(new IllegalStateException("a mistake of ours"));
    assertThat(calls.call("DEL", config("1.1.0")).keepForLater()).isFalse();
  }

  /** Fails if an ADD is carried out that nobody waits for, after the DEL that was sent instead. */
  @Test
  void whatItsCallerHasGivenUpIsNotDoneAnyMore() {
    for (String verb : List.of("ADD", "DEL", "CHECK", "GC", "STATUS")) {
      CniAnswer answer =
          plugins.answer(Calls.request(calls.environment(verb), config("1.1.0")), () -> true);
      assertThat(answer.succeeded()).isFalse();
      assertThat(Calls.JSON.readTree(answer.body()).get("code").asInt()).isEqualTo(11);
    }
    assertThat(published.calls()).isZero();
  }

  /**
   * The caller leaves while the DEL is under way for which the ADD waits. Fails if the ADD looks
   * whether he is there before its turn, or has none.
   */
  @Test
  @Timeout(60)
  void whoLeavesInTheQueueHasLeft() throws InterruptedException {
    CountDownLatch deleting = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    AtomicBoolean left = new AtomicBoolean();
    published.before(
        "withdraw",
        () -> {
          deleting.countDown();
          return go.await(30, TimeUnit.SECONDS);
        });
    Thread delete = new Thread(() -> calls.result("DEL", config("1.1.0")));
    delete.start();
    deleting.await();
    CompletableFuture<CniAnswer> answer = new CompletableFuture<>();
    byte[] request = Calls.request(calls.environment("ADD"), config("1.1.0"));
    Thread add = new Thread(() -> answer.complete(plugins.answer(request, left::get)));
    add.start();
    while (add.isAlive() && add.getState() != Thread.State.BLOCKED) {
      Thread.sleep(1);
    }
    left.set(true);
    go.countDown();
    assertThat(answer.join().succeeded()).isFalse();
    delete.join();
    assertThat(published.names()).isEmpty();
  }

  /** Fails if the empty list of a runtime written in Go is taken for none, or none for empty. */
  @Test
  void nobodyIsLeftIsSaidByNull() {
    calls.result("ADD", config("1.1.0"));
    assertThat(published.names()).hasSize(1);
    String config = config("1.1.0");
    assertThat(calls.error("GC", config).get("code").asInt()).isEqualTo(7);
    assertThat(published.names()).hasSize(1);
    calls.result("GC", config.replace("\"name\"", "\"cni.dev/valid-attachments\":null,\"name\""));
    assertThat(published.names()).isEmpty();
  }

  /** Fails if two attachments share a name, or a name is none that a mapping can have. */
  @Test
  void everyAttachmentHasANameOfItsOwn() {
    Set<String> names = new HashSet<>();
    for (String network : List.of("a", "b", "a-b", "A")) {
      for (String container : List.of("c", "0123456789abc", "0123456789abd", "a".repeat(64))) {
        for (String name :
            List.of("eth0", "eth1", "veth.1-2_3", "ü@:".replace(":", "%"), "012345678901234")) {
          Attachment attachment = Attachment.of(network, container, name);
          names.add(attachment.mappingName().text());
          assertThat(attachment.sandboxName().text()).hasSizeLessThanOrEqualTo(23);
          assertThat(Attachment.isOn(network, attachment.mappingName())).isTrue();
          assertThat(Attachment.isOn(network + "x", attachment.mappingName())).isFalse();
        }
      }
    }
    assertThat(names).hasSize(4 * 4 * 5).allMatch(name -> name.length() <= 64);
  }
}
