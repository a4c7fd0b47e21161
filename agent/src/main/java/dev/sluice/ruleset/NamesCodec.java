package dev.sluice.ruleset;

import dev.sluice.model.NamesAt;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Data;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Where names are answered, as elements among the published ports: {@code exact4 { 10.201.0.1 . udp
 * . 53 comment "names" : 10.201.0.1 . 40053 }}, and the same for tcp.
 */
final class NamesCodec {
  private static final String COMMENT = "names";
  private static final int DOMAIN_PORT = 53;

  private NamesCodec() {}

  static Map<String, List<SetElement>> elements(Collection<NamesAt> places) {
    Map<String, List<SetElement>> bySet = new HashMap<>();
    for (NamesAt place : places) {
      IpAddress gateway = place.gateway();
      List<SetElement> elements =
          bySet.computeIfAbsent(SetNames.exact(gateway.family()), set -> new ArrayList<>());
      for (Protocol protocol : List.of(Protocol.UDP, Protocol.TCP)) {
        elements.add(
            SetElement.of(Key.of().address(gateway).u8(protocol.number()).u16(DOMAIN_PORT).bytes())
                .to(Key.of().address(gateway).u16(place.port()).bytes())
                .withUserdata(Userdata.comment(COMMENT)));
      }
    }
    return bySet;
  }

  /** Reads those among the elements of exact4 or exact6. */
  static Set<NamesAt> read(List<SetElement> elements, Family family) {
    int addressBytes = family.bits() / Byte.SIZE;
    Set<NamesAt> places = new HashSet<>();
    for (SetElement element : elements) {
      if (MappingMetadata.decode(element.userdata()).isEmpty()
          && Userdata.findComment(element.userdata()).equals(Optional.of(COMMENT))
          && element.data() instanceof Data.Value target) {
        Bytes gateway = target.bytes().slice(0, addressBytes);
        places.add(
            new NamesAt(
                IpAddress.fromBytes(gateway.toArray()), target.bytes().u16be(addressBytes)));
      }
    }
    return places;
  }
}
