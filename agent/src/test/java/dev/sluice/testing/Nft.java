package dev.sluice.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The reference implementation of nf_tables' user side: {@code nft} inside a namespace. */
public final class Nft {

  private static final JsonMapper JSON = new JsonMapper();

  private final Netns netns;

  private Nft(Netns netns) {
    this.netns = netns;
  }

  public static Nft in(Netns netns) {
    return new Nft(netns);
  }

  /** Applies a script in one transaction; a failure of {@code nft} is a failure. */
  public void apply(String script) {
    attempt(script).orFail();
  }

  /** Applies a script in one transaction, successful or not. */
  public Ran attempt(String script) {
    return netns.execWithInput(script, "nft", "-f", "-");
  }

  /** Runs {@code nft} with arguments: {@code run("list", "ruleset")}. */
  public Ran run(String... arguments) {
    List<String> command = new ArrayList<>(List.of("nft"));
    command.addAll(List.of(arguments));
    return netns.exec(command.toArray(String[]::new));
  }

  /** The whole ruleset as {@code nft} prints it, with numbers for names. */
  public String ruleset() {
    return run("-n", "list", "ruleset").orFail().stdout();
  }

  /** A table as {@code nft} prints it, with numbers for names. */
  public String table(String family, String table) {
    return run("-n", "list", "table", family, table).orFail().stdout();
  }

  public boolean hasTable(String family, String table) {
    return run("list", "table", family, table).succeeded();
  }

  /**
   * The objects {@code nft -j} lists, its leading {@code metainfo} left out: {@code json("list",
   * "ruleset")}.
   */
  public List<JsonNode> json(String... arguments) {
    List<String> all = new ArrayList<>(List.of("-j"));
    all.addAll(List.of(arguments));
    JsonNode objects =
        JSON.readTree(run(all.toArray(String[]::new)).orFail().stdout()).get("nftables");
    return StreamSupport.stream(objects.spliterator(), false)
        .filter(object -> !object.has("metainfo"))
        .toList();
  }
}
