package dev.sluice.ruleset.path;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CMP_EQ;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CMP_GTE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CMP_LT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CMP_NEQ;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Bytes;
import org.junit.jupiter.api.Test;

/** Comparisons of bytes that are known in part: yes, no, or nobody knows. */
class BitsTest {
  private static Bits bits(String typical, String known) {
    return Bits.of(Bytes.ofHex(typical), Bytes.ofHex(known));
  }

  private static Bytes hex(String digits) {
    return Bytes.ofHex(digits);
  }

  /** Fails if bytes from 0x80 on are compared with their sign, or what is certain is doubted. */
  @Test
  void whatIsKnownIsCertain() {
    assertThat(NftChain.compare(NFT_CMP_EQ, Bits.u16be(8080), hex("1f90"))).isTrue();
    assertThat(NftChain.compare(NFT_CMP_NEQ, Bits.u16be(8080), hex("1f90"))).isFalse();
    assertThat(NftChain.compare(NFT_CMP_LT, Bits.u16be(0x7fff), hex("8000"))).isTrue();
    assertThat(NftChain.compare(NFT_CMP_GTE, Bits.u16be(0x7fff), hex("8000"))).isFalse();
  }

  /** Fails if a value of which some bits are known is taken for certain, or for wholly unknown. */
  @Test
  void knownBitsDecideWhereTheyCan() {
    Bits high = bits("4000", "bfff");
    assertThat(NftChain.compare(NFT_CMP_EQ, high, hex("4000"))).isNull();
    assertThat(NftChain.compare(NFT_CMP_EQ, high, hex("0001"))).isFalse();
    assertThat(NftChain.compare(NFT_CMP_NEQ, high, hex("0001"))).isTrue();
    assertThat(NftChain.compare(NFT_CMP_LT, high, hex("4001"))).isTrue();
    assertThat(NftChain.compare(NFT_CMP_GTE, high, hex("4000"))).isNull();
  }

  /**
   * A fragment's offset, as ufw and firewalld ask for it. Fails if a mask does not make certain.
   */
  @Test
  void whatAMaskClearsIsCertain() {
    Bits offset = bits("4000", "bfff").masked(hex("1fff"), hex("0000"));
    assertThat(offset.isCertain()).isTrue();
    assertThat(NftChain.compare(NFT_CMP_EQ, offset, hex("0000"))).isTrue();
    assertThat(bits("4000", "bfff").masked(hex("ffff"), hex("0000")).isCertain()).isFalse();
  }
}
