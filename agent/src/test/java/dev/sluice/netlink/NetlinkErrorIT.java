package dev.sluice.netlink;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static dev.sluice.netlink.LinuxNetlink.NFNL_MSG_BATCH_BEGIN;
import static dev.sluice.netlink.LinuxNetlink.NFNL_MSG_BATCH_END;
import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_ACK;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_CREATE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_EXCL;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sluice.ffi.Errno;
import dev.sluice.nftables.uapi.NftSchema;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the kernel's refusals look like when they reach the caller: real batches, real errors. */
class NetlinkErrorIT {
  private final Netns netns = Netns.create("errors");
  private final MessageWriter batch = new MessageWriter();
  private NetlinkClient client;

  NetlinkErrorIT() {
    client = open();
  }

  private NetlinkClient open() {
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      return new NetlinkClient(
          NetlinkSocket.open(NETLINK_NETFILTER, namespace), NftSchema.INSTANCE);
    }
  }

  @BeforeEach
  void makeATable() {
    netns
        .exec("nft", "add table inet t; add chain inet t c; add set inet t s { type ipv4_addr; }")
        .orFail();
    batch.reset();
    message(NFNL_MSG_BATCH_BEGIN, 0, 0, NFNL_SUBSYS_NFTABLES);
  }

  @AfterEach
  void close() {
    client.close();
    netns.close();
  }

  private MessageWriter message(int type, int flags, int family, int resource) {
    return batch.begin(type, NLM_F_REQUEST | flags, 0).u8(family).u8(0).u16be(resource);
  }

  private MessageWriter operation(int message, int flags) {
    return message(NFNL_SUBSYS_NFTABLES << 8 | message, flags, NFPROTO_INET, 0);
  }

  private void begin() {
    batch.end();
  }

  private void transact(String operation) {
    message(NFNL_MSG_BATCH_END, 0, 0, NFNL_SUBSYS_NFTABLES).end();
    client.transact(batch, operation);
  }

  private void element(String address, int keyBytes) {
    byte[] key = new byte[keyBytes];
    key[0] = Byte.parseByte(address);
    batch.beginNest(NFTA_LIST_ELEM).beginNest(NFTA_SET_ELEM_KEY);
    batch.attrBytes(NFTA_DATA_VALUE, key).endNest().endNest();
  }

  private String listing() {
    Ran ran = netns.exec("nft", "list", "ruleset").orFail();
    return ran.stdout();
  }

  /** Fails if the offset of an extended ACK is resolved against the wrong message or attribute. */
  @Test
  void namesTheAttributeOfTheMessageThatFailed() {
    begin();
    operation(NFT_MSG_NEWCHAIN, NLM_F_CREATE)
        .attrString(NFTA_CHAIN_TABLE, "t")
        .attrString(NFTA_CHAIN_NAME, "fresh")
        .end();
    operation(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_ACK)
        .attrString(NFTA_RULE_TABLE, "t")
        .attrString(NFTA_RULE_CHAIN, "nowhere")
        .beginNest(NFTA_RULE_EXPRESSIONS)
        .endNest()
        .end();
    var failure =
        catchThrowableOfType(NetlinkException.class, () -> transact("add a rule to nowhere"));
    assertThat(failure)
        .hasMessage(
            "cannot add a rule to nowhere: ENOENT (no such file or directory), at"
                + " NFT_MSG_NEWRULE/NFTA_RULE_CHAIN");
    assertThat(failure.messageIndex()).isEqualTo(2);
    assertThat(listing()).doesNotContain("fresh");
  }

  /** Fails if an element that is refused cannot be told from its neighbours. */
  @Test
  void namesTheElementThatFailed() {
    begin();
    operation(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK)
        .attrString(NFTA_SET_ELEM_LIST_TABLE, "t")
        .attrString(NFTA_SET_ELEM_LIST_SET, "s")
        .beginNest(NFTA_SET_ELEM_LIST_ELEMENTS);
    element("10", 4);
    element("11", 4);
    element("12", 16);
    batch.endNest().end();
    var failure = catchThrowableOfType(NetlinkException.class, () -> transact("add elements"));
    assertThat(failure.attributePath().orElse("none"))
        .startsWith("NFT_MSG_NEWSETELEM/NFTA_SET_ELEM_LIST_ELEMENTS/NFTA_LIST_ELEM[2]");
    assertThat(failure.messageIndex()).isEqualTo(1);
    assertThat(listing()).doesNotContain("elements");
  }

  /** Fails if a batch whose last message is acknowledged is taken for committed. */
  @Test
  void anAcknowledgedBatchMayHaveFailed() {
    begin();
    operation(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL).attrString(NFTA_TABLE_NAME, "t").end();
    operation(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK)
        .attrString(NFTA_CHAIN_TABLE, "t")
        .attrString(NFTA_CHAIN_NAME, "fresh")
        .end();
    var failure = catchThrowableOfType(NetlinkException.class, () -> transact("add a table"));
    assertThat(failure.errno()).isEqualTo(Errno.EEXIST);
    assertThat(failure.messageIndex()).isEqualTo(1);
    assertThat(listing()).doesNotContain("fresh");
  }

  /** Fails if a batch built on an outdated view of the tables goes unnoticed. */
  @Test
  void aStaleGenerationIsReportedOnTheFirstMessage() {
    batch.attrU32be(LinuxNetlink.NFNL_BATCH_GENID, 0xdead);
    begin();
    operation(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK)
        .attrString(NFTA_CHAIN_TABLE, "t")
        .attrString(NFTA_CHAIN_NAME, "fresh")
        .end();
    var failure = catchThrowableOfType(NetlinkException.class, () -> transact("add a chain"));
    assertThat(failure).hasMessageStartingWith("cannot add a chain: ERESTART (");
    assertThat(failure.messageIndex()).isZero();
    assertThat(listing()).doesNotContain("fresh");
  }

  /** Fails if the client cannot be used any more after a refusal. */
  @Test
  void aRefusalDoesNotSpoilTheNextRequest() {
    aStaleGenerationIsReportedOnTheFirstMessage();
    batch.reset();
    message(NFNL_MSG_BATCH_BEGIN, 0, 0, NFNL_SUBSYS_NFTABLES).end();
    operation(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK)
        .attrString(NFTA_CHAIN_TABLE, "t")
        .attrString(NFTA_CHAIN_NAME, "later")
        .end();
    transact("add a chain");
    assertThat(listing()).contains("chain later");
  }

  /**
   * Fails if a dump is left half read when its reader fails: the kernel allows one dump at a time
   * on a socket and would answer EBUSY.
   */
  @Test
  void aDumpWhoseReaderFailsDoesNotBlockTheNext() {
    StringBuilder elements = new StringBuilder("add element inet t s { 10.0.0.1");
    for (int i = 0; i < 5_000; i++) {
      elements.append(", 10.1.").append(i >> 8).append('.').append(i & 255);
    }
    netns.execWithInput(elements + " }\n", "nft", "-f", "-").orFail();

    MessageWriter request = new MessageWriter();
    request
        .begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_REQUEST, 0)
        .u8(NFPROTO_INET)
        .u8(0)
        .u16be(0)
        .attrString(NFTA_SET_ELEM_LIST_TABLE, "t")
        .attrString(NFTA_SET_ELEM_LIST_SET, "s")
        .end();
    assertThatThrownBy(
            () ->
                client.dumpOnce(
                    request,
                    "list elements",
                    message -> {
                      throw new MalformedMessageException("not what was expected");
                    }))
        .isInstanceOf(MalformedMessageException.class);
    int[] messages = new int[1];
    client.dumpOnce(request, "list elements", message -> messages[0]++);
    assertThat(messages[0]).as("a dump of several chunks").isGreaterThan(2);
  }
}
