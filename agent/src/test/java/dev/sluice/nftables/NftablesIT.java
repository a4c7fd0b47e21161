package dev.sluice.nftables;

import static dev.sluice.nftables.DataType.INET_PROTO;
import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.DataType.IPV4_ADDR;
import static dev.sluice.nftables.DataType.VERDICT;
import static dev.sluice.nftables.Field.L4PROTO;
import static dev.sluice.nftables.Field.TH_DPORT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_DORMANT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_DROP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_IN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.Errno;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Chain.Hook;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Opaque;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Objects of the library in the real kernel: made, read back, listed by nft, deleted, refused. */
class NftablesIT {
  private static final TableId T = TableId.inet("t");
  private static final SetType SERVICE = SetType.of(INET_PROTO, INET_SERVICE);
  private static final SetType PORT = SetType.of(INET_SERVICE);
  private static final SetType ADDRESS = SetType.of(IPV4_ADDR);

  @AutoClose private Netns host;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private Nftables nftables;
  private Nft nft;

  @BeforeEach
  void open() {
    host = Netns.create("host");
    namespace = NetworkNamespace.open(host.path());
    nftables = Nftables.open(namespace);
    nft = Nft.in(host);
    commit(new Batch().create(Table.of(T)));
  }

  private void commit(Batch batch) {
    nftables.commit(batch, "do it");
  }

  private static SetElement service(int port) {
    return SetElement.of(Key.of().u8(6).u16(port).bytes());
  }

  private static Bytes address(String address) {
    return Key.of().address(IpAddress.parse(address)).bytes();
  }

  private static void assertRefused(int errno, String message, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(NetlinkException.class, e -> assertThat(e.errno()).isEqualTo(errno))
        .hasMessage(message);
  }

  // ---- tables and chains

  /** Fails if a table is not found, not told apart from others, or not deleted with its content. */
  @Test
  void tablesComeAndGo() {
    TableId other = new TableId(2, "t");
    commit(
        new Batch()
            .add(new Table(other, NFT_TABLE_F_DORMANT, Userdata.comment("asleep"), 0, 0, 0)));
    Table found = nftables.table(other).orElseThrow();
    assertThat(found.flags()).isEqualTo(NFT_TABLE_F_DORMANT);
    assertThat(Userdata.findComment(found.userdata())).contains("asleep");
    assertThat(found.handle()).isPositive();
    assertThat(found.isOwned()).isFalse();
    assertThat(nftables.tables()).extracting(Table::id).containsExactlyInAnyOrder(T, other);
    assertThat(nft.run("list", "table", "ip", "t").stdout())
        .contains("flags dormant", "comment \"asleep\"");
    commit(new Batch().add(Chain.regular(other, "inside")).delete(other));
    assertThat(nftables.table(other)).isEmpty();
    assertThat(nftables.tables()).extracting(Table::id).containsExactly(T);
  }

  /** Fails if hook, priority or policy is lost, or chains of other tables are listed. */
  @Test
  void chainsComeAndGo() {
    TableId other = TableId.inet("other");
    Chain input = Chain.base(T, "input", new Hook("filter", NF_INET_LOCAL_IN, -7, NF_DROP));
    commit(
        new Batch()
            .add(input)
            .add(Chain.regular(T, "plain"))
            .add(Table.of(other))
            .add(Chain.regular(other, "elsewhere")));
    assertThat(nftables.chains(T))
        .extracting(chain -> new Chain(chain.table(), chain.name(), chain.hook(), 0))
        .containsExactly(input, Chain.regular(T, "plain"));
    assertThat(nftables.chains()).hasSize(3);
    assertThat(nft.table("inet", "t")).contains("type filter hook input priority -7; policy drop;");
    commit(new Batch().deleteChain(T, "plain"));
    assertThat(nftables.chains(T)).extracting(Chain::name).containsExactly("input");
  }

  /** Fails if rules are added at the wrong end, in the wrong place, or read in another order. */
  @Test
  void rulesKeepTheirOrder() {
    commit(
        new Batch()
            .add(Chain.regular(T, "c"))
            .add(rule("second"))
            .add(rule("fourth"))
            .insert(rule("first")));
    Rule second = nftables.rules(T).get(1);
    assertThat(Userdata.findComment(second.userdata())).contains("second");
    commit(
        new Batch()
            .add(
                new Rule(
                    T, "c", second.expressions(), Userdata.comment("third"), 0, second.handle())));
    assertThat(nftables.rules(T))
        .extracting(rule -> Userdata.findComment(rule.userdata()).orElse(""))
        .containsExactly("first", "second", "third", "fourth");
    assertThat(nftables.rules(T)).allMatch(rule -> rule.expressions().equals(second.expressions()));
    commit(new Batch().deleteRule(T, "c", second.handle()));
    assertThat(nftables.rules(T)).hasSize(3);
    commit(new Batch().flushChain(T, "c"));
    assertThat(nftables.rules(T)).isEmpty();
  }

  private static Rule rule(String comment) {
    return RuleBuilder.in(T, "c").match(L4PROTO, 6).accept().withComment(comment);
  }

  /** Fails if an expression this library does not know loses a byte on the way through it. */
  @Test
  void anUnknownExpressionIsKeptAsItIs() {
    nft.apply(
        """
        add chain inet t c { type filter hook prerouting priority 0; }
        add rule inet t c socket transparent 1 accept
        """);
    String before = nft.table("inet", "t");
    Rule read = nftables.rules(T).get(0);
    assertThat(read.expressions())
        .filteredOn(Opaque.class::isInstance)
        .singleElement()
        .extracting("name")
        .isEqualTo("socket");
    commit(new Batch().flushChain(T, "c").add(Rule.of(T, "c", read.expressions())));
    assertThat(nft.table("inet", "t")).isEqualTo(before).contains("socket transparent 1 accept");
  }

  // ---- sets and elements

  /** Fails if a set's type, flags, size or timeout is lost; nft must print what was meant. */
  @Test
  void setsComeAndGo() {
    ElementSet leases = ElementSet.set(T, "leases", ADDRESS).withTimeout(3_600_000);
    ElementSet seen = ElementSet.set(T, "seen", SERVICE).asDynamic(100);
    ElementSet verdicts =
        ElementSet.map(T, "verdicts", SERVICE, SetType.of(VERDICT))
            .withExpressions(List.of(new Counter(0, 0)));
    commit(
        new Batch()
            .add(leases.withTransactionId(1))
            .add(seen.withTransactionId(2))
            .add(verdicts.withTransactionId(3)));
    assertThat(nftables.sets(T)).containsExactly(leases, seen, verdicts);
    assertThat(nft.table("inet", "t"))
        .contains("timeout 3600s", "flags dynamic", "size 100", ": verdict", "counter");
    commit(new Batch().deleteSet(T, "leases"));
    assertThat(nftables.sets(T)).extracting(ElementSet::name).containsExactly("seen", "verdicts");
  }

  /** Fails if a lifetime is sent in another unit, or what is left of it is not read. */
  @Test
  void elementsExpire() {
    commit(
        new Batch()
            .add(ElementSet.set(T, "leases", ADDRESS).withTimeout(3_600_000))
            .createElements(
                T,
                "leases",
                List.of(
                    SetElement.of(address("192.0.2.1")),
                    SetElement.of(address("192.0.2.2")).withTimeout(90_000))));
    assertThat(nftables.elements(T, "leases"))
        .anySatisfy(
            element -> {
              assertThat(element.key()).isEqualTo(address("192.0.2.1"));
              assertThat(element.expiresMillis()).isBetween(3_500_000L, 3_600_000L);
            })
        .anySatisfy(
            element -> {
              assertThat(element.timeoutMillis()).isEqualTo(90_000);
              assertThat(element.expiresMillis()).isBetween(30_000L, 90_000L);
            });
    assertThat(nft.table("inet", "t")).contains("192.0.2.2 timeout 90s");
  }

  /** Fails if a comment, a verdict or its chain is lost, or an element's key is not deleted. */
  @Test
  void verdictMapsHoldEveryVerdict() {
    List<SetElement> elements =
        List.of(
            service(1).to(Data.of(Verdict.ACCEPT)),
            service(2).to(Data.of(Verdict.DROP)),
            service(3).to(Data.of(Verdict.RETURN)),
            service(4).to(Data.of(Verdict.jump("target"))),
            service(5).to(Data.of(Verdict.goTo("target"))).withUserdata(Userdata.comment("five")));
    commit(
        new Batch()
            .add(Chain.regular(T, "target"))
            .add(ElementSet.map(T, "verdicts", SERVICE, SetType.of(VERDICT)))
            .createElements(T, "verdicts", elements));
    assertThat(nftables.elements(T, "verdicts")).containsExactlyInAnyOrderElementsOf(elements);
    assertThat(nft.run("list", "map", "inet", "t", "verdicts").stdout())
        .contains("tcp . 4 : jump target", "tcp . 5 comment \"five\" : goto target");
    commit(new Batch().deleteElements(T, "verdicts", List.of(service(1), service(4))));
    assertThat(nftables.elements(T, "verdicts")).hasSize(3);
    commit(new Batch().flushSet(T, "verdicts"));
    assertThat(nftables.elements(T, "verdicts")).isEmpty();
  }

  /** Fails if an interval that reaches the highest port is given an end, or cannot be deleted. */
  @Test
  void anIntervalMayReachTheHighestPort() {
    SetElement open = SetElement.of(Bytes.ofU16be(65_000)).to(address("172.30.0.2"));
    List<SetElement> closed =
        List.of(
            SetElement.of(Bytes.ofU16be(7_000)).to(address("172.30.0.3")),
            SetElement.intervalEnd(Bytes.ofU16be(7_010)));
    commit(
        new Batch()
            .add(ElementSet.map(T, "ranges", PORT, ADDRESS).withIntervals(PORT))
            .createElements(T, "ranges", List.of(open))
            .createElements(T, "ranges", closed));
    assertThat(nftables.elements(T, "ranges"))
        .containsExactlyInAnyOrder(open, closed.get(0), closed.get(1));
    assertThat(nft.run("list", "map", "inet", "t", "ranges").stdout())
        .contains("7000-7009 : 172.30.0.3", "65000-65535 : 172.30.0.2");
    commit(new Batch().deleteElements(T, "ranges", List.of(SetElement.of(Bytes.ofU16be(65_000)))));
    assertThat(nftables.elements(T, "ranges")).containsExactlyInAnyOrderElementsOf(closed);
  }

  /** Fails if a list of elements outgrows its attribute, or one at a boundary is lost. */
  @Test
  void tenThousandElementsGoIntoOneTransaction() {
    List<SetElement> many =
        IntStream.rangeClosed(1, 10_000)
            .mapToObj(
                port ->
                    service(port)
                        .to(address("172.30.0.2"))
                        .withUserdata(Userdata.comment("number " + port)))
            .toList();
    Batch batch =
        new Batch()
            .add(ElementSet.map(T, "many", SERVICE, ADDRESS))
            .createElements(T, "many", many);
    assertThat(WireText.messages(batch)).hasSizeGreaterThan(5);
    commit(batch);
    assertThat(nftables.elements(T, "many")).hasSize(10_000);
    assertThat(Set.copyOf(nftables.elements(T, "many"))).isEqualTo(Set.copyOf(many));
    assertThat(nft.json("list", "map", "inet", "t", "many").get(0).get("map").get("elem").size())
        .isEqualTo(10_000);
    commit(new Batch().deleteElements(T, "many", many));
    assertThat(nftables.elements(T, "many")).isEmpty();
  }

  // ---- refusals

  /** Fails if "create" is content with what exists, or the element at fault is not named. */
  @Test
  void creatingWhatExistsIsRefusedAndAddingIsNot() {
    commit(
        new Batch()
            .add(ElementSet.map(T, "m", SERVICE, ADDRESS))
            .createElements(T, "m", List.of(service(80).to(address("172.30.0.2")))));
    assertRefused(
        Errno.EEXIST,
        "cannot do it: EEXIST (file exists), at NFT_MSG_NEWTABLE/NFTA_TABLE_NAME",
        () -> commit(new Batch().create(Table.of(T))));
    assertRefused(
        Errno.EEXIST,
        "cannot do it: EEXIST (file exists), at NFT_MSG_NEWSETELEM/NFTA_SET_ELEM_LIST_ELEMENTS/NFTA_LIST_ELEM[1]",
        () ->
            commit(
                new Batch()
                    .createElements(
                        T,
                        "m",
                        List.of(
                            service(79).to(address("172.30.0.2")),
                            service(80).to(address("172.30.0.2"))))));
    assertThat(nftables.elements(T, "m")).hasSize(1);
    commit(
        new Batch()
            .add(Table.of(T))
            .addElements(T, "m", List.of(service(80).to(address("172.30.0.2")))));
    // The same key with other data is a contradiction, also for "add".
    assertThatThrownBy(
            () ->
                commit(
                    new Batch()
                        .addElements(T, "m", List.of(service(80).to(address("172.30.0.9"))))))
        .isInstanceOfSatisfying(
            NetlinkException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EEXIST));
  }

  /** Fails if what does not exist is not named down to the attribute. */
  @Test
  void whatDoesNotExistIsNamed() {
    assertRefused(
        Errno.ENOENT,
        "cannot do it: ENOENT (no such file or directory), at NFT_MSG_DELTABLE/NFTA_TABLE_NAME",
        () -> commit(new Batch().delete(TableId.inet("none"))));
    assertRefused(
        Errno.ENOENT,
        "cannot do it: ENOENT (no such file or directory), at NFT_MSG_DELCHAIN/NFTA_CHAIN_NAME",
        () -> commit(new Batch().deleteChain(T, "none")));
    assertRefused(
        Errno.ENOENT,
        "cannot do it: ENOENT (no such file or directory), at NFT_MSG_NEWSETELEM/NFTA_SET_ELEM_LIST_SET",
        () -> commit(new Batch().createElements(T, "none", List.of(service(80)))));
    commit(new Batch().add(ElementSet.set(T, "s", SERVICE)));
    assertRefused(
        Errno.ENOENT,
        "cannot do it: ENOENT (no such file or directory), at NFT_MSG_DELSETELEM/NFTA_SET_ELEM_LIST_ELEMENTS/NFTA_LIST_ELEM[0]",
        () -> commit(new Batch().deleteElements(T, "s", List.of(service(80)))));
    assertThatThrownBy(() -> nftables.elements(T, "none"))
        .isInstanceOf(NetlinkException.class)
        .hasMessageStartingWith("cannot list the elements of inet t none: ENOENT");
    assertThat(nftables.table(TableId.inet("none"))).isEmpty();
  }

  /** Fails if one refusal of a batch leaves the rest of it in force. */
  @Test
  void aBatchIsCarriedOutWhollyOrNotAtAll() {
    String before = nft.ruleset();
    assertThatThrownBy(
            () ->
                commit(
                    new Batch()
                        .add(Chain.regular(T, "fine"))
                        .add(ElementSet.set(T, "fine", SERVICE))
                        .add(RuleBuilder.in(T, "fine").inSet("none", L4PROTO, TH_DPORT).drop())))
        .isInstanceOfSatisfying(
            NetlinkException.class,
            e -> {
              assertThat(e.errno()).isEqualTo(Errno.ENOENT);
              // Behind the batch's begin.
              assertThat(e.messageIndex()).isEqualTo(3);
            })
        .hasMessageContaining("NFT_MSG_NEWRULE/NFTA_RULE_EXPRESSIONS/NFTA_LIST_ELEM[2]");
    assertThat(nft.ruleset()).isEqualTo(before);
  }

  /** Fails if what is in use can be deleted, or the reason is lost. */
  @Test
  void whatIsInUseIsBusy() {
    commit(
        new Batch()
            .add(Chain.regular(T, "c"))
            .add(Chain.regular(T, "target"))
            .add(ElementSet.set(T, "s", SERVICE))
            .add(RuleBuilder.in(T, "c").inSet("s", L4PROTO, TH_DPORT).jump("target")));
    assertRefused(
        Errno.EBUSY,
        "cannot do it: EBUSY (device or resource busy), at NFT_MSG_DELCHAIN/NFTA_CHAIN_NAME",
        () -> commit(new Batch().deleteChain(T, "target")));
    assertRefused(
        Errno.EBUSY,
        "cannot do it: EBUSY (device or resource busy), at NFT_MSG_DELSET/NFTA_SET_NAME",
        () -> commit(new Batch().deleteSet(T, "s")));
  }

  // ---- generations

  /** Fails if the generation is not sent, or not in network byte order. */
  @Test
  void aBatchForAnotherGenerationIsNotCarriedOut() {
    int generation = nftables.generation();
    Batch batch = new Batch();
    commit(batch.reset(generation).add(Chain.regular(T, "one")));
    assertThat(nftables.generation()).isEqualTo(generation + 1);
    assertThatThrownBy(() -> commit(batch.reset(generation).add(Chain.regular(T, "two"))))
        .isInstanceOfSatisfying(
            NetlinkException.class, e -> assertThat(e.errno()).isEqualTo(85)); // ERESTART
    assertThat(nftables.chains(T)).extracting(Chain::name).containsExactly("one");
    commit(batch.reset().add(Chain.regular(T, "three")));
    assertThat(nftables.chains(T)).hasSize(2);
  }

  /** Fails if a reading that others changed meanwhile is taken for consistent. */
  @Test
  void aReadingThatWasDisturbedIsRepeated() {
    int[] readings = {0};
    int chains =
        nftables.consistently(
            "count the chains",
            () -> {
              int count = nftables.chains(T).size();
              if (readings[0]++ < 2) {
                nft.apply("add chain inet t disturbed" + readings[0]);
              }
              return count;
            });
    assertThat(readings[0]).isEqualTo(3);
    assertThat(chains).isEqualTo(2);
  }
}
