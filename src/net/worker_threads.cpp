// worker_threads: a few threads for the work that would keep an event loop waiting.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/worker_threads.hpp>

#include "worker_pool.hpp"

#include <algorithm>

namespace sallyport {

worker_threads::worker_threads(std::size_t threads)
    : pool_(std::make_shared<detail::worker_pool>(std::max<std::size_t>(threads, 1))) {}
worker_threads::~worker_threads() = default;
worker_threads::worker_threads(const worker_threads&) noexcept = default;
worker_threads& worker_threads::operator=(const worker_threads&) noexcept = default;

std::size_t worker_threads::size() const noexcept { return pool_->size(); }

}  // namespace sallyport
