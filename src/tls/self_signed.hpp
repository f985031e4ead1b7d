// self_signed: a fresh key and a certificate signed by itself, for development.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SELF_SIGNED_HPP
#define SALLYPORT_TLS_SELF_SIGNED_HPP

#include "identity_data.hpp"

#include <sallyport/error.hpp>

#include <memory>
#include <span>
#include <string>

namespace sallyport::detail {

/// identity::self_signed().
result<std::shared_ptr<identity_data>> make_self_signed(std::span<const std::string> names);

}  // namespace sallyport::detail

#endif
