package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Balance;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Bytes;
import dev.sluice.nftables.Userdata;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** The record in an element's user data: its bytes are kept by the kernel across versions. */
class MappingMetadataTest {
  private static final MappingId ID = new MappingId(0xfedcba9876543210L);
  private static final Instant CREATED = Instant.ofEpochMilli(0x0102030405L);

  private static MappingMetadata named(String name) {
    return metadata(Optional.of(new MappingName(name)), Owner.DOCKER);
  }

  private static MappingMetadata metadata(Optional<MappingName> name, Owner owner) {
    return new MappingMetadata(
        ID, name, owner, CREATED, Optional.empty(), OptionalInt.empty(), Balance.ROUND_ROBIN, 1);
  }

  /** Fails if an offset, the record's type, or an owner's number changes. */
  @Test
  void theBytesStayWhatTheyAre() {
    assertThat(named("web").encode().hex())
        .isEqualTo(
            "0004" + "77656200" + "5314" + "01030100" + "fedcba9876543210" + "0000000102030405");
    MappingMetadata unnamed = metadata(Optional.empty(), Owner.CLI);
    assertThat(unnamed.encode().hex())
        .isEqualTo(
            "0011"
                + Bytes.ofText("fedcba9876543210").hex()
                + "00"
                + "5314"
                + "01010000"
                + "fedcba9876543210"
                + "0000000102030405");
  }

  /** Fails if an owner, the name or its absence, or the time is lost. */
  @Test
  void everyOwnerAndNameIsReadBack() {
    for (Owner owner : Owner.values()) {
      for (Optional<MappingName> name :
          List.of(
              Optional.<MappingName>empty(),
              Optional.of(new MappingName("a")),
              Optional.of(new MappingName("n".repeat(64))))) {
        MappingMetadata metadata = metadata(name, owner);
        assertThat(MappingMetadata.decode(metadata.encode())).contains(metadata);
      }
    }
  }

  /** Fails if a record beside the first one changes its type or is not read. */
  @Test
  void theRestHasRecordsOfItsOwn() {
    MappingMetadata whole =
        new MappingMetadata(
            ID,
            Optional.of(new MappingName("web")),
            Owner.DOCKER,
            CREATED,
            Optional.of(new SandboxName("db")),
            OptionalInt.of(8443),
            Balance.SOURCE,
            3);
    assertThat(whole.encode().hex())
        .isEqualTo(named("web").encode().hex() + "55026462" + "560220fb" + "58020203");
    assertThat(MappingMetadata.decode(whole.encode())).contains(whole);
  }

  /** Fails if a shortened record is read beyond its end, or taken for a whole one. */
  @Test
  void whatIsCutOffIsNotOurs() {
    Bytes whole = named("web").encode();
    for (int length = 0; length < whole.length(); length++) {
      assertThat(MappingMetadata.decode(whole.slice(0, length))).as("%d bytes", length).isEmpty();
    }
  }

  /** Fails if the version is not looked at. */
  @Test
  void aLaterVersionIsNotGuessedAt() {
    byte[] later = named("web").encode().toArray();
    later[8] = 2;
    assertThat(MappingMetadata.decode(Bytes.of(later))).isEmpty();
  }

  /** Fails if a comment that somebody changed to what is no name breaks every listing. */
  @Test
  void aNameThatIsNoneCountsAsNone() {
    Bytes record = named("web").encode();
    Bytes altered = Userdata.comment("not a name").concat(record.slice(6, record.length() - 6));
    assertThat(MappingMetadata.decode(altered)).contains(metadata(Optional.empty(), Owner.DOCKER));
  }
}
