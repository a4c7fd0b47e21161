package dev.sluice.network.names;

/**
 * What a responder has done since it was made. Every query counts once in {@code queries}, and,
 * when its fate is known, once in {@code answered}, {@code dropped}, {@code failed}, or {@code
 * forwarded}; one that was forwarded in vain counts in {@code failed} as well.
 *
 * @param queries messages that came in
 * @param answered answered without asking anybody else; refusals are answers
 * @param forwarded handed on to a resolver of the host
 * @param dropped not answered: from no container of ours, or no query
 * @param failed answered with SERVFAIL: no resolver has answered, or too many queries wait
 */
public record ResponderStatistics(
    long queries, long answered, long forwarded, long dropped, long failed) {}
