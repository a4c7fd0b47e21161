package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Nftables;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The table as a network engineer sees it: what {@code nft list table inet sluice} prints. */
class RulesetListingIT {
  @AutoClose private Netns host;
  @AutoClose private NetworkNamespace namespace;

  @BeforeEach
  void create() {
    host = Netns.create("host");
    namespace = NetworkNamespace.open(host.path());
    SluiceTable.open(Nftables.open(namespace), Ownership.OFF).close();
  }

  private static String list(Netns netns) {
    return Nft.in(netns).run("list", "table", "inet", "sluice").orFail().stdout();
  }

  /** Fails if a set, a chain or a rule changes, or nft can no longer print one of them. */
  @Test
  void listsAsDocumented() {
    assertThat(list(host)).isEqualTo(resource("skeleton.nft"));
  }

  /** Fails if what nft needs to read its listing again, the notes about types, is missing. */
  @Test
  void theListingLoadedElsewhereListsTheSame() {
    try (Netns other = Netns.create("other")) {
      Nft.in(other).apply(list(host));
      assertThat(list(other)).isEqualTo(list(host));
    }
  }

  private static String resource(String name) {
    try (InputStream in = RulesetListingIT.class.getResourceAsStream(name)) {
      return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
