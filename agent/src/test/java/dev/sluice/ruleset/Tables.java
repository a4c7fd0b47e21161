package dev.sluice.ruleset;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.Network;
import dev.sluice.model.PublishedMapping;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.Userdata;
import java.util.List;

/** Tables that another version of the agent left behind. */
final class Tables {
  private Tables() {}

  /**
   * Creates the table as version {@code version} would have left it, with these contents and no
   * owner.
   *
   * @param flags of the table; with the owner flag it is orphaned by closing {@code nftables}
   * @param connections what each mapping's counter stands at
   */
  static void create(
      Nftables nftables,
      int version,
      int flags,
      List<Network> networks,
      List<Mapping> mappings,
      long connections) {
    Batch batch = new Batch(64 << 10);
    batch.create(new Table(SluiceTable.ID, flags, Userdata.comment("sluice " + version), 0, 0, 0));
    new Skeleton(SluiceTable.ID).write(batch);
    for (Network network : networks) {
      NetworkCodec.elements(network)
          .forEach((set, elements) -> batch.createElements(SluiceTable.ID, set, elements));
    }
    for (Mapping mapping : mappings) {
      MappingCodec.elements(new PublishedMapping(mapping, new MappingCounters(connections)))
          .forEach((set, elements) -> batch.createElements(SluiceTable.ID, set, elements));
    }
    nftables.commit(batch, "create a table of version " + version);
  }
}
