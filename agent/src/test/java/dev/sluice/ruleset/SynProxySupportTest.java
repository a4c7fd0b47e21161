package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.Errno;
import dev.sluice.netlink.NetlinkException;
import org.junit.jupiter.api.Test;

/** What becomes of a request where the kernel has no SYN proxy. */
class SynProxySupportTest {
  private int trials;

  private SynProxySupport kernelThatAnswers(int errno) {
    return new SynProxySupport(
        (batch, operation) -> {
          trials++;
          assertThat(batch.isEmpty()).isFalse();
          if (errno != 0) {
            throw new NetlinkException(operation, errno, null, null, 3);
          }
        });
  }

  /** Fails if the refusal is the kernel's "no such file" and not a sentence, or is remembered. */
  @Test
  void aKernelWithoutOneRefusesInOneSentence() {
    SynProxySupport support = kernelThatAnswers(Errno.ENOENT);
    for (int i = 0; i < 2; i++) {
      assertThatExceptionOfType(UnsupportedByKernelException.class)
          .isThrownBy(support::require)
          .withMessage(
              "this kernel has no SYN proxy: load the module nft_synproxy, or publish without");
    }
    assertThat(trials).as("the module may have been loaded since").isEqualTo(2);
  }

  /** Fails if every request costs a transaction. */
  @Test
  void aKernelThatHasOneIsAskedOnce() {
    SynProxySupport support = kernelThatAnswers(0);
    support.require();
    support.require();
    assertThat(trials).isEqualTo(1);
  }

  /** Fails if a moment's trouble is taken for a missing module. */
  @Test
  void anotherErrorIsWhatItIs() {
    SynProxySupport support = kernelThatAnswers(Errno.ENOBUFS);
    assertThatThrownBy(support::require)
        .isInstanceOf(NetlinkException.class)
        .hasMessageStartingWith("cannot try a SYN proxy: ");
  }
}
