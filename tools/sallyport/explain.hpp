// explain: what the reasons of failed handshakes mean, for `sallyport explain` and docs/failures.md.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_EXPLAIN_HPP
#define SALLYPORT_TOOL_EXPLAIN_HPP

#include <sallyport/error.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {

/// `sallyport explain REASON`: what happened, its cause and its cure, in lines of at most 100 characters.
std::string explanation_text(handshake_error reason);

/// `sallyport explain`: every reason with its sentence, one line each.
std::string reasons_text();

/// `sallyport explain --markdown`: the whole of docs/failures.md.
std::string reasons_markdown();

/// The reason of that name, as the log's `reason` has it; nullopt if there is none.
std::optional<handshake_error> reason_from_name(std::string_view name);

/// The names of the reasons that `name` may have meant; at most three, equally near.
std::vector<std::string> nearest_reasons(std::string_view name);

/// What is said to a name that is no reason: "\"not_tsl\" is no reason; did you mean not_tls?"
std::string unknown_reason(std::string_view name);

}  // namespace sallyport::tool

#endif
