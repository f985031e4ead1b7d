// named_identities: identities with a name each, and the files that they are in.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_NAMED_IDENTITIES_HPP
#define SALLYPORT_BENCH_NAMED_IDENTITIES_HPP

#include "identity_names.hpp"

#include <sallyport/identity.hpp>

#include <cstddef>
#include <string>
#include <vector>

inline std::string file_of_identity(const std::string& directory, std::size_t number) {
  return directory + "/" + name_of_identity(number) + ".pem";
}

/// The first `count`; throws boost::system::system_error.
inline std::vector<sallyport::identity> load_identities(const std::string& directory, std::size_t count) {
  std::vector<sallyport::identity> loaded;
  loaded.reserve(count);
  for (std::size_t number = 0; number < count; ++number) {
    const std::string file = file_of_identity(directory, number);
    loaded.push_back(sallyport::identity::from_pem_files(file, file).value());
  }
  return loaded;
}

#endif
