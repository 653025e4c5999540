// Package message reads and writes Internet messages as values: MIME structure, header fields,
// addresses, dates, text, delivery reports (RFC 5322, RFC 2045 to 2049, RFC 3464).
//
// A message is read once, while it arrives, by a Scanner. What comes of it, a Summary, holds
// everything that IMAP, JMAP and the rules ask for later: ENVELOPE and BODYSTRUCTURE as they are
// sent, the offsets of every part, the decoded fields of the header, a preview. The store keeps it
// in the form of Summary.AppendBinary and reads it in place with ViewSummary.
//
// Reading never fails: any sequence of octets is some message, and a reader gets the best answer
// that can be given. Memory is bounded by Limits, whatever comes.
package message
