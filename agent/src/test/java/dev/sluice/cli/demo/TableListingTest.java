package dev.sluice.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TableListingTest {
  // nft list table inet sluice (v1.0.6), shortened
  private static final TableListing LISTING =
      new TableListing(
          """
          table inet sluice { # progname java
          \tflags owner
          \tcomment "sluice 1"

          \tmap exact4 {
          \t\ttype ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
          \t}

          \tmap any4 {
          \t\ttype inet_proto . inet_service : ipv4_addr . inet_service
          \t\telements = { tcp . 8080 comment "web" : 172.30.0.2 . 80 }
          \t}

          \tchain any4 {
          \t\ttcp . 8080
          \t}
          }
          """
              .lines()
              .toList());

  /** Fails if the head runs on into the first set. */
  @Test
  void the_head_is_what_stands_before_the_first_block() {
    assertThat(LISTING.head())
        .containsExactly(
            "table inet sluice { # progname java", "\tflags owner", "\tcomment \"sluice 1\"");
  }

  /** Fails if a block is cut, or one of another kind is taken. */
  @Test
  void a_block_is_found_by_its_kind_and_a_line_in_it() {
    assertThat(LISTING.blocks("map", line -> line.contains(". 8080 ")))
        .containsExactly(
            "\tmap any4 {",
            "\t\ttype inet_proto . inet_service : ipv4_addr . inet_service",
            "\t\telements = { tcp . 8080 comment \"web\" : 172.30.0.2 . 80 }",
            "\t}");
    assertThat(LISTING.blocks("map", line -> line.contains("9090"))).isEmpty();
  }
}
